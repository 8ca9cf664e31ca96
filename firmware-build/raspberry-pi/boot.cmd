# U-Boot's script. systemd-boot counts the starts of an entry by renaming its file, which U-Boot's EFI cannot do: so starts are counted
# here, before any kernel, in the second sector of the state partition (ext4 leaves it alone), as text:
#     starts=N       hexadecimal: starts since the box was healthy last
#     good=PATH      the entry that was healthy last
#     before=PATH    that of the other slot which was healthy before
# /usr/lib/bivouac/boot-good writes it. Up to four starts get what systemd-boot chooses, the next four `good`, the next four `before`.
setenv starts 0
setenv chosen
setenv counter 0x07ff0000
setenv kernel 0x08000000
if part start ${devtype} ${devnum} 6 sector; then
  setexpr sector ${sector} + 1
  ${devtype} dev ${devnum}
  if ${devtype} read ${counter} ${sector} 1; then
    env import -t ${counter} 0x200 starts good before
    if test -z "${starts}"; then setenv starts 0; fi
    if itest ${starts} -ge 0xc; then setenv starts 0; fi
    if itest ${starts} -ge 4; then setenv chosen ${good}; fi
    if itest ${starts} -ge 8; then setenv chosen ${before}; fi
    setexpr starts ${starts} + 1
    env export -t -s 0x200 ${counter} starts good before
    ${devtype} write ${counter} ${sector} 1
  fi
fi
if test -n "${chosen}"; then
  echo "bivouac: ${starts} starts and not healthy since: ${chosen}"
  if load ${devtype} ${devnum}:${distro_bootpart} ${kernel} ${chosen}; then bootefi ${kernel} ${fdtcontroladdr}; fi
fi
load ${devtype} ${devnum}:${distro_bootpart} ${kernel} /EFI/BOOT/BOOTAA64.EFI && bootefi ${kernel} ${fdtcontroladdr}
echo "bivouac: no kernel could be started"
sleep 5
reset
