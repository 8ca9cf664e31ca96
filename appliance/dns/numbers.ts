/**
 * The numbers of DNS that this server knows (IANA's DNS parameters).
 */

/** Types of records that a zone may hold, by their mnemonic. */
export const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, SRV: 33 } as const;

/** The mnemonic of a type that a zone may hold. */
export type RecordType = keyof typeof TYPE;

/** Types that only questions name, or that belong to the protocol (RFC 6895 §3.1). */
export const QTYPE = {
  HINFO: 13,
  OPT: 41,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
} as const;

export const CLASS_IN = 1;

/** RFC 6895 §2.2 */
export const OPCODE = { QUERY: 0, NOTIFY: 4, UPDATE: 5 } as const;

/** RFC 6895 §2.3. Those above 15 need EDNS. */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** Bits of the header's second 16 bits (RFC 1035 §4.1.1). */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100 } as const;

/** Options of EDNS (RFC 6891 §9). */
export const OPTION = { NSID: 3, ECS: 8, COOKIE: 10 } as const;

/** Bytes of a message before its question (RFC 1035 §4.1.1). */
export const HEADER = 12;

/** What fits into a datagram for one who does not say more (RFC 1035 §4.2.1), and what this server sends and says at most (RFC 9715 §3). */
export const SMALLEST_DATAGRAM = 512;
export const LARGEST_DATAGRAM = 1232;
