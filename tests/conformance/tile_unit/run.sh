#!/usr/bin/env bash
# Runs the tile kernel's own instructions where no processor has them: a program without an operating system multiplies on a
# Sapphire Rapids that Bochs emulates, and every result must have the bits that this processor's scalar code gives.
#   tests/conformance/tile_unit/run.sh
# Needs g++, genisoimage, isolinux, syslinux-common, script, and Bochs 3.0 (Debian 13: bochs, bochs-term). BOCHS names a command that starts
# Bochs elsewhere (a chroot that sees the work folder), WORK that folder, which is then kept. Takes half a minute; exit code 3 if bits differ.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${WORK:-$(mktemp -d)}
seconds=300
emulator=
end() {
  if [[ -n $emulator ]]; then kill "$emulator" 2>/dev/null || true; wait "$emulator" || true; fi
}
trap end EXIT
mkdir -p "$work/iso/isolinux"
cd "$work"

includes=(-I "$root" -I "$root/src")
g++ -std=c++20 -O2 "${includes[@]}" "$here/host.cpp" "$root/kernels/cpu/block_product_scalar.cpp" -o host
./host > expected.txt

bare=(-std=c++20 -O2 -fno-exceptions -fno-rtti -fno-stack-protector -fno-pic -fno-threadsafe-statics
      -fno-asynchronous-unwind-tables -fcf-protection=none -mno-red-zone)
g++ "${bare[@]}" -ffreestanding "${includes[@]}" -c "$here/machine.cpp"
g++ "${bare[@]}" "${includes[@]}" -c "$root/kernels/cpu/block_product_amx.cpp"   # its headers want a library; what it calls, machine.cpp has
g++ -c "$here/start.S"
cat > layout.ld <<END
ENTRY(_start)
SECTIONS {
  . = 2M;
  .text : { start.o(.multiboot) *(.text*) }
  .rodata : { *(.rodata*) }
  .data : { *(.data*) }
  .bss : { *(.bss*) }
  /DISCARD/ : { *(.comment) *(.note*) }
}
END
ld -n -T layout.ld --no-warn-rwx-segments -o machine-64 start.o machine.o block_product_amx.o
objcopy -O elf32-i386 machine-64 iso/isolinux/machine   # the loader takes no other

cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/{ldlinux,mboot,libcom32}.c32 iso/isolinux/
printf 'default machine\nprompt 0\nlabel machine\n  kernel mboot.c32\n  append machine\n' > iso/isolinux/isolinux.cfg
genisoimage -quiet -o boot.iso -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table iso

cat > bochsrc <<END
cpu: model=sapphire_rapids, count=1, ips=100000000
megs: 256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial.txt
display_library: term
log: bochs.log
panic: action=fatal
clock: sync=none
END

rm -f serial.txt
# its display wants a terminal
timeout -k 5 "$seconds" script -qec "stty rows 30 cols 100; ${BOCHS:-bochs} -q -f bochsrc" /dev/null < /dev/null > display.txt 2>&1 &
emulator=$!
until grep -qs '^done' serial.txt; do
  kill -0 "$emulator" 2>/dev/null || { echo "tile_unit: Bochs ended, or took more than $seconds s: see $work/bochs.log and display.txt" >&2; exit 2; }
  sleep 1
done

sed -n '/^done/q; s/\r//; p' serial.txt > found.txt
if diff expected.txt found.txt > differences.txt; then
  echo "tile_unit: all $(wc -l < expected.txt) products have the bits of scalar code"
  if [[ -z ${WORK-} ]]; then end; emulator=; rm -rf "$work"; fi
else
  echo "tile_unit: $(grep -c '^<' differences.txt) of $(wc -l < expected.txt) products have other bits: $work/differences.txt" >&2
  exit 3
fi
