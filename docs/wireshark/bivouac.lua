-- Wireshark dissector of the Bivouac protocol, version 1 (docs/protocol.md): registration on TCP (also within TLS, when
-- Wireshark has the session's keys), anycast ARP on UDP and behind ARP bodies on Ethernet, notices on UDP.
--
--   tshark -X lua_script:docs/wireshark/bivouac.lua -r capture.pcap -Y bivouac
--   or copy this file into Wireshark's "Personal Lua Plugins" folder.
--
-- Display filters: bivouac, bivouac.message, bivouac.<element with _ for ->, bivouac.malformed, bivouac.unknown_element.
-- An address element is bivouac.vip4 or bivouac.vip6 (address4, address6). A test holds the tables below and the
-- protocol's text together.

local TCP_PORT, UDP_PORT, NOTICE_PORT, ALPN = 9746, 9747, 9748, "bivouac/1"
local ETHERTYPE_ARP, ARP_BODY = 0x0806, 28
local ARP_OPERATIONS = { [24] = "anycast ARP query", [25] = "anycast ARP answer" }
local HEADER, MAGIC, VERSION, MAX_DEPTH = 12, 0x4256, 1, 4

local bivouac = Proto("bivouac", "Bivouac")

-- §4.3, §4.4: number = { name, kind, least, most, words }. For integers least and most bound the value, for bytes and
-- text the length.

local U32 = 4294967295
local TRANSPORTS = { [6] = "tcp", [17] = "udp", [132] = "sctp" }
local CHECKS = {
  [0] = "none", "tcp", "http", "https", "icmp", "dns", "udp", "tls", "h323", "sip", "exec",
}
local MODES = { [0] = "none", "nat", "direct", "tunnel", "redirect" }
local SCHEDULERS = { "wrr", "source-hash", "wlc", "maglev" }
local ENGINES = { "sip" }
local STATES = { "pending", "up", "draining", "down", "damped" }
local FAMILIES = { [4] = "IPv4", [6] = "IPv6" }
local REFUSALS = {
  "malformed", "unknown-mandatory", "version", "not-registered", "not-permitted", "vip-taken", "pool-exhausted",
  "no-lease", "lease-invalid", "lease-foreign", "limit", "invalid-service", "unsupported-mode", "unsupported-check",
  "conflict", "shutting-down", "unknown-service", "internal", "epoch-stale", "out-of-order",
}

local ELEMENTS = {
  [0x0001] = { "nonce", "bytes", 8, 8 },
  [0x0002] = { "cookie", "bytes", 8, 32 },
  [0x0003] = { "signature", "bytes", 64, 64 },
  [0x0004] = { "padding", "bytes", 0, 65535 },
  [0x0005] = { "versions", "pair8", 1, 255 },
  [0x0006] = { "version", "u8", 1, 255 },
  [0x0007] = { "software", "text", 0, 128 },
  [0x0008] = { "server-name", "text", 0, 253 },
  [0x0009] = { "manager-name", "text", 0, 63 },
  [0x000a] = { "refusal-code", "u16", 0, 65535, REFUSALS },
  [0x000b] = { "sentence", "text", 0, 512 },
  [0x000c] = { "sequence", "u32", 0, U32 },
  [0x000d] = { "part", "u16", 1, 1024 },
  [0x000e] = { "parts", "u16", 1, 1024 },
  [0x000f] = { "validity", "u32", 0, U32 },
  [0x0010] = { "server-id", "bytes", 32, 32 },
  [0x0011] = { "manager-id", "bytes", 32, 32 },
  [0x0012] = { "address", "address" },
  [0x0013] = { "port", "u16", 1, 65535 },
  [0x0014] = { "tls", "presence" },
  [0x0015] = { "epoch", "u48", 1 },
  [0x0016] = { "heartbeat-interval", "u32", 10, 60000 },
  [0x0017] = { "elsewhere", "presence" },
  [0x0018] = { "vip", "address" },
  [0x0019] = { "family", "u8", 4, 6, FAMILIES },
  [0x001a] = { "shared", "presence" },
  [0x001b] = { "duration", "u32", 1, U32 },
  [0x001c] = { "certificate", "bytes", 1, 2048 },
  [0x0020] = { "service-id", "u32", 1, U32 },
  [0x0021] = { "service-name", "text", 1, 253 },
  [0x0022] = { "transport", "u8", 0, 255, TRANSPORTS },
  [0x0023] = { "ports", "ranges" },
  [0x0024] = { "target-port", "u16", 1, 65535 },
  [0x0025] = { "protocol", "text", 1, 32 },
  [0x0026] = { "weight", "u16", 1, 1000 },
  [0x0027] = { "capacity", "u32", 1, U32 },
  [0x0028] = { "check-kind", "u8", 0, 255, CHECKS },
  [0x0029] = { "check-interval", "u32", 50, 3600000 },
  [0x002a] = { "check-timeout", "u32", 10, 60000 },
  [0x002b] = { "rise", "u8", 1, 16 },
  [0x002c] = { "fall", "u8", 1, 16 },
  [0x002d] = { "target", "text", 0, 1024 },
  [0x002e] = { "expect-text", "text", 0, 1024 },
  [0x002f] = { "expect-status", "pair16", 0, 999 },
  [0x0030] = { "send", "bytes", 1, 512 },
  [0x0031] = { "expect", "bytes", 1, 512 },
  [0x0032] = { "mode", "u8", 0, 255, MODES },
  [0x0033] = { "scheduler", "u8", 0, 255, SCHEDULERS },
  [0x0034] = { "affinity", "u32", 1, U32 },
  [0x0035] = { "affinity-prefix", "u8", 1, 128 },
  [0x0036] = { "affinity-by", "u8", 0, 255, ENGINES },
  [0x0038] = { "state", "u8", 1, 5, STATES },
  [0x0039] = { "connections", "u32", 0, U32 },
  [0x003a] = { "load", "u16", 0, 1000 },
  [0x003b] = { "score", "u16", 0, 1000 },
  [0x0040] = { "want", "u8", 1, 255 },
  [0x0041] = { "sign", "presence" },
  [0x0042] = { "omitted", "u32", 1, U32 },
  [0x0050] = { "lease", "group" },
  [0x0051] = { "service", "group" },
  [0x0052] = { "check", "group" },
  [0x0053] = { "forward", "group" },
  [0x0054] = { "report", "group" },
  [0x0055] = { "selector", "group" },
  [0x0056] = { "answered-server", "group" },
  [0x0057] = { "answered-service", "group" },
  [0x0080] = { "boot", "u48", 1 },
  [0x0081] = { "change", "u48", 0 },
  [0x0082] = { "since", "u48", 0 },
  [0x0083] = { "anycast-port", "u16", 1, 65535 },
  [0x0084] = { "host", "bytes", 1, 32 },
  [0x0085] = { "gone", "presence" },
  [0x0086] = { "whole", "presence" },
  [0x0087] = { "beat", "u48", 1 },
  [0x0088] = { "entries", "u32", 0, U32 },
  [0x0089] = { "servers", "u32", 0, U32 },
  [0x0090] = { "binding", "group" },
  [0x0091] = { "offer", "group" },
  [0x0092] = { "weight-sum", "u32", 0, U32 },
  [0x0093] = { "image", "bytes", 8, 8 },
  [0x00a0] = { "scores", "bytes", 8, 1024 },
  [0x00a1] = { "link-name", "text", 0, 32 },
  [0x00a2] = { "input", "u48", 0 },
  [0x00a3] = { "output", "u48", 0 },
  [0x00a4] = { "rate", "u48", 1 },
  [0x00a5] = { "use", "u16", 0, 1000 },
  [0x00a6] = { "rtt", "u32", 0, U32 },
  [0x00a7] = { "jitter", "u32", 0, U32 },
  [0x00a8] = { "loss", "u16", 0, 1000 },
  [0x00a9] = { "link", "group" },
  [0x00aa] = { "round-trip", "group" },
  [0x00b0] = { "managers", "group" },
  [0x00b1] = { "answered-manager", "group" },
}

-- §3.1, §5.3, §7: what stands in a message or group. "name" once, "name?" at most once, "name*" any number of times,
-- "name+" at least once.

local GROUPS = {
  ["lease"] = "vip server-id manager-id epoch duration shared? signature?",
  ["service"] = "service-id service-name vip transport ports target-port? protocol weight capacity? check forward",
  ["check"] = "check-kind port? check-interval check-timeout rise fall target? expect-text? expect-status? send? expect?",
  ["forward"] = "mode scheduler affinity? affinity-prefix? affinity-by?",
  ["report"] = "service-id state connections load?",
  ["selector"] = "protocol? transport? ports?",
  ["answered-server"] = "address score answered-service+",
  ["answered-service"] = "service-name protocol transport ports score",
  ["binding"] = "vip server-id epoch shared? host* gone?",
  ["managers"] = "answered-manager+",
  ["answered-manager"] = "manager-id manager-name? address+ anycast-port vip+ score",
  ["link"] = "link-name input output rate? use?",
  ["round-trip"] = "manager-id rtt jitter loss?",
  ["offer"] = "service-name vip transport ports protocol mode score servers weight-sum? gone?",
}

local MESSAGES = {
  [0x01] = { "register",
    "versions server-id server-name? address+ epoch heartbeat-interval? lease* certificate* software?" },
  [0x02] = { "lease-request", "vip? family shared? service-name?" },
  [0x03] = { "lease-renew", "vip" },
  [0x04] = { "lease-release", "vip" },
  [0x05] = { "register-service", "service" },
  [0x06] = { "drain-service", "service-id" },
  [0x07] = { "withdraw-service", "service-id" },
  [0x08] = { "deregister", "elsewhere?" },
  [0x09] = { "report", "report+" },
  [0x0e] = { "pace", "heartbeat-interval" },
  [0x0f] = { "heartbeat", "sequence" },
  [0x11] = { "registered", "version manager-id manager-name? heartbeat-interval software?" },
  [0x12] = { "lease", "lease" },
  [0x13] = { "done", "" },
  [0x14] = { "refused", "refusal-code sentence?" },
  [0x15] = { "service-state", "service-id state score sentence?" },
  [0x16] = { "lease-revoked", "vip refusal-code sentence?" },
  [0x21] = { "query", "nonce cookie? vip? service-name? selector? want? sign? padding?" },
  [0x22] = { "answer", "nonce manager-id vip? part parts validity omitted? answered-server* managers? signature?" },
  [0x23] = { "cookie", "nonce cookie" },
  [0x24] = { "query-refused", "nonce refusal-code sentence?" },
  [0x25] = { "solicit", "nonce versions padding?" },
  [0x26] = { "invite", "nonce manager-id manager-name? address port tls?" },
  [0x30] = { "notice",
    "manager-id manager-name? address* anycast-port port tls? boot since change nonce? whole? binding* offer* signature" },
  [0x31] = { "refresh",
    "manager-id manager-name? address* anycast-port port tls? boot change nonce? cookie? certificate? beat validity"
      .. " entries gone? image? signature" },
  [0x32] = { "repair", "nonce cookie? manager-id? boot? since certificate padding? signature" },
  [0x38] = { "poll", "nonce cookie? part? certificate? padding? signature?" },
  [0x39] = { "poll-reply", "nonce manager-id cookie? certificate? part parts scores? link* round-trip* signature" },
  [0x3a] = { "probe", "nonce" },
  [0x3b] = { "echo", "nonce" },
}

-- Requests and their answers: they must carry a transaction.
local WITH_TRANSACTION = {
  [0x01] = true, [0x02] = true, [0x03] = true, [0x04] = true, [0x05] = true, [0x06] = true, [0x07] = true,
  [0x08] = true, [0x11] = true, [0x12] = true, [0x13] = true,
}

-- §3.1, §4.5: blocks set aside.
local RESERVED_MESSAGES = {
  { 0x33, 0x37, "notice" }, { 0x3c, 0x3f, "poll" }, { 0x40, 0x47, "GSLB" }, { 0x48, 0x4f, "DHCP" },
  { 0xf0, 0xff, "experiment" },
}
local RESERVED_ELEMENTS = {
  { 0x0093, 0x009f, "notices" }, { 0x00ab, 0x00af, "polls" }, { 0x00b2, 0x00bf, "GSLB" }, { 0x00c0, 0x00cf, "DHCP" },
  { 0x7f00, 0x7fff, "experiments" },
}

local function reserved(blocks, number)
  for _, block in ipairs(blocks) do
    if number >= block[1] and number <= block[2] then return block[3] end
  end
end

-- Fields

local message_names, element_names = {}, {}
for number, message in pairs(MESSAGES) do message_names[number] = message[1] end
for number, element in pairs(ELEMENTS) do element_names[number] = element[1] end

local f = {
  magic = ProtoField.uint16("bivouac.magic", "Magic", base.HEX),
  version = ProtoField.uint8("bivouac.header_version", "Version", base.DEC),
  message = ProtoField.uint8("bivouac.message", "Message", base.HEX, message_names),
  length = ProtoField.uint16("bivouac.length", "Length of the elements", base.DEC),
  reserved = ProtoField.uint16("bivouac.reserved", "Reserved", base.HEX),
  transaction = ProtoField.uint32("bivouac.transaction", "Transaction", base.DEC),
  element = ProtoField.bytes("bivouac.element", "Element"),
  mandatory = ProtoField.bool("bivouac.element_mandatory", "Mandatory", 16, { "refuse if unknown", "skip if unknown" }, 0x8000),
  number = ProtoField.uint16("bivouac.element_number", "Number", base.HEX, element_names, 0x7fff),
  element_length = ProtoField.uint16("bivouac.element_length", "Length", base.DEC),
  range = ProtoField.bytes("bivouac.range", "Range"),
  first = ProtoField.uint16("bivouac.ports_first", "First port", base.DEC),
  last = ProtoField.uint16("bivouac.ports_last", "Last port", base.DEC),
  frame_padding = ProtoField.bytes("bivouac.frame_padding", "Padding of the frame"),
  unknown_value = ProtoField.bytes("bivouac.unknown_value", "Value"),
}

local INTEGERS = {
  u8 = { 1, ProtoField.uint8 }, u16 = { 2, ProtoField.uint16 }, u32 = { 4, ProtoField.uint32 },
  u48 = { 6, ProtoField.uint64 },
}

-- One or two value fields for each element, by its number.
local value_fields = {}
for number, element in pairs(ELEMENTS) do
  local name, kind, words = element[1], element[2], element[5]
  local filter = "bivouac." .. name:gsub("-", "_")
  local label = name:gsub("^%l", string.upper):gsub("-", " ")
  if INTEGERS[kind] then
    value_fields[number] = { INTEGERS[kind][2](filter, label, base.DEC, words) }
  elseif kind == "bytes" then
    value_fields[number] = { ProtoField.bytes(filter, label) }
  elseif kind == "text" then
    value_fields[number] = { ProtoField.string(filter, label, base.UNICODE) }
  elseif kind == "address" then
    value_fields[number] = { ProtoField.ipv4(filter .. "4", label), ProtoField.ipv6(filter .. "6", label) }
  elseif kind == "pair8" or kind == "pair16" then
    local make = kind == "pair8" and ProtoField.uint8 or ProtoField.uint16
    local low, high = "lowest", "highest"
    if name == "versions" then low, high = "oldest", "newest" end
    value_fields[number] = {
      make(filter .. "_" .. low, label .. ", " .. low, base.DEC), make(filter .. "_" .. high, label .. ", " .. high, base.DEC),
    }
  elseif kind == "presence" then
    value_fields[number] = { ProtoField.none(filter, label) }
  else
    value_fields[number] = { ProtoField.bytes(filter, label) }
  end
end

local all_fields = {}
for _, field in pairs(f) do table.insert(all_fields, field) end
for _, fields in pairs(value_fields) do
  for _, field in ipairs(fields) do table.insert(all_fields, field) end
end
bivouac.fields = all_fields

local malformed = ProtoExpert.new("bivouac.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
local unknown_mandatory = ProtoExpert.new(
  "bivouac.unknown_mandatory", "Unknown mandatory element", expert.group.UNDECODED, expert.severity.ERROR)
local unknown_element = ProtoExpert.new(
  "bivouac.unknown_element", "Unknown optional element", expert.group.UNDECODED, expert.severity.NOTE)
local unknown_message = ProtoExpert.new(
  "bivouac.unknown_message", "Unknown message type", expert.group.UNDECODED, expert.severity.WARN)
bivouac.experts = { malformed, unknown_mandatory, unknown_element, unknown_message }

-- "name? other*" as { name = { least, most } }

local function schema(text)
  local counts = {}
  for name, mark in text:gmatch("([%w-]+)([?*+]?)") do
    local least = (mark == "?" or mark == "*") and 0 or 1
    counts[name] = { least = least, most = (mark == "*" or mark == "+") and math.huge or 1 }
  end
  return counts
end

local group_schemas, message_schemas = {}, {}
for name, text in pairs(GROUPS) do group_schemas[name] = schema(text) end
for number, message in pairs(MESSAGES) do message_schemas[number] = schema(message[2]) end

-- Values: each adds its field and gives the text that stands for it, or nil and what is wrong.

local function within(value, element)
  local least, most, words = element[3], element[4], element[5]
  if words == REFUSALS then return nil end -- a code of a newer peer is read as "internal"
  if words and not words[value] then return ("%s %d is none of those specified"):format(element[1], value) end
  if value < least or (most and value > most) then return ("%s %d is out of its range"):format(element[1], value) end
end

local function add_integer(tree, fields, range, element)
  local size = INTEGERS[element[2]][1]
  if range == nil or range:len() ~= size then return nil, ("must be %d bytes long"):format(size) end
  tree:add(fields[1], range)
  local value = size <= 4 and range:uint() or range(0, 2):uint() * 4294967296 + range(2, 4):uint()
  local words = element[5]
  return words and words[value] or ("%.0f"):format(value), within(value, element)
end

local function add_bytes(tree, fields, range, element)
  local length = range and range:len() or 0
  if length < element[3] or length > element[4] then return nil, ("a length of %d bytes is not allowed"):format(length) end
  if range then tree:add(fields[1], range) end
  if length > 16 then return ("%s… (%d bytes)"):format(tostring(range(0, 8):bytes()):lower(), length) end
  return range and tostring(range:bytes()):lower() or "empty"
end

local function add_text(tree, fields, range, element)
  local length = range and range:len() or 0
  if length < element[3] or length > element[4] then return nil, ("a length of %d bytes is not allowed"):format(length) end
  if range then tree:add_packet_field(fields[1], range, ENC_UTF_8) end
  return range and range:string(ENC_UTF_8) or ""
end

local function add_address(tree, fields, range)
  local length = range and range:len() or 0
  if length == 4 then
    tree:add(fields[1], range)
    return tostring(range:ipv4())
  elseif length == 16 then
    tree:add(fields[2], range)
    return tostring(range:ipv6())
  end
  return nil, "an address is 4 or 16 bytes long"
end

local function add_pair(tree, fields, range, element)
  local size = element[2] == "pair8" and 1 or 2
  if range == nil or range:len() ~= size * 2 then return nil, ("must be %d bytes long"):format(size * 2) end
  local low, high = range(0, size), range(size, size)
  tree:add(fields[1], low)
  tree:add(fields[2], high)
  local text = ("%d…%d"):format(low:uint(), high:uint())
  if low:uint() > high:uint() then return text, "the first is above the second" end
  return text, within(low:uint(), element) or within(high:uint(), element)
end

local function add_ranges(tree, _, range)
  local length = range and range:len() or 0
  if length == 0 or length % 4 ~= 0 or length > 64 then return nil, "1…16 ranges of 4 bytes each" end
  local texts, before, wrong = {}, 0, nil
  for at = 0, length - 4, 4 do
    local item = tree:add(f.range, range(at, 4))
    local first, last = range(at, 2):uint(), range(at + 2, 2):uint()
    item:add(f.first, range(at, 2))
    item:add(f.last, range(at + 2, 2))
    local text = first == last and tostring(first) or ("%d-%d"):format(first, last)
    item:set_text("Range: " .. text)
    if first <= before or first > last then wrong = "ranges must ascend and not overlap" end
    before = last
    table.insert(texts, text)
  end
  return table.concat(texts, ","), wrong
end

local function add_presence(tree, fields, range, _, header)
  if range then return nil, "must be empty" end
  tree:add(fields[1], header(0, 4))
  return "yes"
end

local ADD = {
  u8 = add_integer, u16 = add_integer, u32 = add_integer, u48 = add_integer, bytes = add_bytes, text = add_text,
  address = add_address, pair8 = add_pair, pair16 = add_pair, ranges = add_ranges, presence = add_presence,
}

-- Elements

local function check_counts(tree, counts, wanted)
  for name, bounds in pairs(wanted) do
    local count = counts[name] or 0
    if count < bounds.least then tree:add_proto_expert_info(malformed, name .. " is missing") end
    if count > bounds.most then tree:add_proto_expert_info(malformed, name .. " is given more than once") end
  end
end

local add_elements

local function add_unknown(item, number, range, is_mandatory)
  local set_aside = reserved(RESERVED_ELEMENTS, number)
  item:set_text(set_aside and ("Element set aside for %s: 0x%04x"):format(set_aside, number)
    or ("Unknown element 0x%04x"):format(number))
  if range then item:add(f.unknown_value, range) end
  item:add_proto_expert_info(is_mandatory and unknown_mandatory or unknown_element)
end

local function add_element(tree, tvb, at, length, depth, wanted)
  local header = tvb(at, 4)
  local number, is_mandatory = bit.band(header(0, 2):uint(), 0x7fff), header(0, 1):uint() >= 0x80
  local item = tree:add(f.element, tvb(at, 4 + length))
  item:add(f.mandatory, header(0, 2))
  item:add(f.number, header(0, 2))
  item:add(f.element_length, header(2, 2))
  local range = length > 0 and tvb(at + 4, length) or nil
  local element = ELEMENTS[number]
  if element == nil or not wanted[element[1]] then
    add_unknown(item, number, range, is_mandatory)
    return nil
  end
  local name, kind = element[1], element[2]
  if kind == "group" then
    item:set_text(name)
    if range then item:add(value_fields[number][1], range):set_hidden() end
    add_elements(item, tvb, at + 4, at + 4 + length, depth + 1, group_schemas[name])
    return name
  end
  local text, wrong = ADD[kind](item, value_fields[number], range, element, header)
  item:set_text(text and ("%s: %s"):format(name, text) or name)
  if wrong then item:add_proto_expert_info(malformed, ("%s: %s"):format(name, wrong)) end
  return name, text
end

-- Dissects the elements in tvb[at, finish) and gives the texts of the outermost ones by name.
add_elements = function(tree, tvb, at, finish, depth, wanted)
  local counts, texts, order = {}, {}, {}
  if depth > MAX_DEPTH then
    tree:add_proto_expert_info(malformed, "elements nest too deep")
    return texts, order
  end
  while at < finish do
    if finish - at < 4 then
      tree:add_proto_expert_info(malformed, ("%d bytes are left, an element's header needs 4"):format(finish - at))
      return texts, order
    end
    local length = tvb(at + 2, 2):uint()
    if length > finish - at - 4 then
      tree:add_proto_expert_info(
        malformed, ("an element says %d bytes, %d are left"):format(length, finish - at - 4))
      return texts, order
    end
    local name, text = add_element(tree, tvb, at, length, depth, wanted)
    table.insert(order, name or "")
    if name then
      counts[name] = (counts[name] or 0) + 1
      texts[name] = texts[name] or text
    end
    at = at + 4 + length
  end
  check_counts(tree, counts, wanted)
  return texts, order
end

-- Messages

local function message_name(number)
  if message_names[number] then return message_names[number] end
  local set_aside = reserved(RESERVED_MESSAGES, number)
  return set_aside and ("%s 0x%02x"):format(set_aside, number) or ("unknown 0x%02x"):format(number)
end

local INFO = { "service-id", "boot", "since", "change", "beat", "vip", "service-name", "state", "score", "refusal-code", "sentence", "sequence" }

local function describe(number, transaction, texts)
  local words = { message_name(number) }
  if transaction ~= 0 then table.insert(words, "#" .. transaction) end
  if texts["part"] then table.insert(words, ("part %s of %s"):format(texts["part"], texts["parts"] or "?")) end
  for _, name in ipairs(INFO) do
    if texts[name] then table.insert(words, texts[name]) end
  end
  return table.concat(words, " ")
end

local function check_order(tree, number, order)
  if number < 0x21 or number > 0x3b then return end
  if (number <= 0x26 or number >= 0x38) and order[1] ~= "nonce" then tree:add_proto_expert_info(malformed, "the nonce must be the first element") end
  local certificate = false
  for _, name in ipairs(order) do certificate = certificate or name == "certificate" end
  if number == 0x38 and certificate and order[#order] ~= "signature" then
    tree:add_proto_expert_info(malformed, "a poll with a certificate must be signed")
  end
  for index, name in ipairs(order) do
    if name == "signature" and index < #order then
      tree:add_proto_expert_info(malformed, "the signature must be the last element")
    end
  end
end

local function check_range(tree, number, texts)
  local part, parts = tonumber(texts["part"]), tonumber(texts["parts"])
  if part and parts and part > parts then
    tree:add_proto_expert_info(malformed, ("part %d of %d"):format(part, parts))
  end
  if number ~= 0x30 or not texts["since"] or not texts["change"] then return end
  if tonumber(texts["since"]) >= tonumber(texts["change"]) then
    tree:add_proto_expert_info(malformed, "a notice must tell of at least one change")
  end
end

-- Dissects one message at the beginning of the tvb; gives its length and a description, or nil if it is none.
local function add_message(tvb, tree)
  local available = tvb:len()
  if available < HEADER or tvb(0, 2):uint() ~= MAGIC then
    tree:add_proto_expert_info(malformed, "no message header")
    return nil
  end
  local version, number, length = tvb(2, 1):uint(), tvb(3, 1):uint(), tvb(4, 2):uint()
  local transaction = tvb(8, 4):uint()
  tree:add(f.magic, tvb(0, 2))
  tree:add(f.version, tvb(2, 1))
  tree:add(f.message, tvb(3, 1))
  tree:add(f.length, tvb(4, 2))
  tree:add(f.reserved, tvb(6, 2))
  tree:add(f.transaction, tvb(8, 4))
  tree:append_text(", " .. message_name(number))
  local finish = HEADER + length
  if finish > available then
    tree:add_proto_expert_info(malformed, ("the header says %d bytes of elements, %d are there"):format(length, available - HEADER))
    finish = available
  end
  if version ~= VERSION then
    tree:add_proto_expert_info(unknown_message, ("version %d is not dissected"):format(version))
    return finish, message_name(number)
  end
  if message_schemas[number] == nil then
    tree:add_proto_expert_info(unknown_message)
    if finish > HEADER then add_elements(tree, tvb, HEADER, finish, 1, {}) end
    return finish, message_name(number)
  end
  if WITH_TRANSACTION[number] and transaction == 0 then
    tree:add_proto_expert_info(malformed, "the transaction is missing")
  end
  local texts, order = add_elements(tree, tvb, HEADER, finish, 1, message_schemas[number])
  check_order(tree, number, order)
  check_range(tree, number, texts)
  return finish, describe(number, transaction, texts)
end

-- Carriers

local tls = Dissector.get("tls")

local function dissect_stream_message(tvb, pinfo, tree)
  pinfo.cols.protocol = "Bivouac"
  local item = tree:add(bivouac, tvb())
  local finish, text = add_message(tvb, item)
  if text then
    local before = tostring(pinfo.cols.info)
    pinfo.cols.info:append((before == "" and "" or ", ") .. text)
  end
  return finish or tvb:len()
end

local function stream_message_length(tvb, _, offset)
  -- Not our magic: take everything, so that it is shown once as malformed.
  if tvb(offset, 2):uint() ~= MAGIC then return tvb:len() - offset end
  return HEADER + tvb(offset + 4, 2):uint()
end

local function dissect_stream(tvb, pinfo, tree)
  pinfo.cols.info:clear()
  dissect_tcp_pdus(tvb, tree, HEADER, stream_message_length, dissect_stream_message)
  return tvb:len()
end

local function dissect_datagram(tvb, pinfo, tree)
  pinfo.cols.protocol = "Bivouac"
  local item = tree:add(bivouac, tvb())
  local finish, text = add_message(tvb, item)
  pinfo.cols.info = text or "not a Bivouac message"
  if finish and finish < tvb:len() then
    item:add_proto_expert_info(malformed, ("%d bytes behind the message"):format(tvb:len() - finish))
  end
  return tvb:len()
end

function bivouac.dissector(tvb, pinfo, tree)
  -- 17 is UDP. Decrypted TLS has the port type of its TCP connection.
  if pinfo.port_type == 3 then return dissect_datagram(tvb, pinfo, tree) end
  local is_tls = tvb:len() >= 2 and tvb(0, 1):uint() >= 0x14 and tvb(0, 1):uint() <= 0x17 and tvb(1, 1):uint() == 0x03
  if is_tls then return tls:call(tvb, pinfo, tree) end
  return dissect_stream(tvb, pinfo, tree)
end

-- Behind an ARP body. Wireshark's own dissector shows the body, and everything of ordinary ARP.

local ethertypes = DissectorTable.get("ethertype")
local ordinary_arp = ethertypes:get_dissector(ETHERTYPE_ARP)
local arp = Proto("bivouac_arp", "Bivouac anycast ARP")

function arp.dissector(tvb, pinfo, tree)
  local operation = tvb:len() >= ARP_BODY and ARP_OPERATIONS[tvb(6, 2):uint()]
  local is_ours = operation and tvb(0, 2):uint() == 1 and tvb(2, 2):uint() == 0x0800 and tvb(4, 2):uint() == 0x0604
  if not is_ours then return ordinary_arp:call(tvb, pinfo, tree) end
  ordinary_arp:call(tvb(0, ARP_BODY):tvb(), pinfo, tree)
  pinfo.cols.protocol = "Bivouac"
  if tvb:len() == ARP_BODY then
    tree:add(bivouac, tvb()):add_proto_expert_info(malformed, "no message behind the ARP body")
    return tvb:len()
  end
  local behind = tvb(ARP_BODY):tvb()
  local item = tree:add(bivouac, behind())
  local finish, text = add_message(behind, item)
  pinfo.cols.info = text and ("%s: %s"):format(operation, text) or operation
  if finish and finish < behind:len() then item:add(f.frame_padding, behind(finish)) end
  return tvb:len()
end

DissectorTable.get("tcp.port"):add(TCP_PORT, bivouac)
DissectorTable.get("tls.alpn"):add(ALPN, bivouac)
DissectorTable.get("udp.port"):add(UDP_PORT, bivouac)
DissectorTable.get("udp.port"):add(NOTICE_PORT, bivouac)
ethertypes:add(ETHERTYPE_ARP, arp)
