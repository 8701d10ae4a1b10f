/* From a multiboot loader to run() in 64-bit mode, memory below 1 GiB mapped as it is, vectors and tiles switched on. */
.set magic, 0x1BADB002
.set flags, 3
.section .multiboot, "a"
.align 4
  .long magic, flags, -(magic + flags)

.section .bss
.align 4096
level4: .skip 4096
level3: .skip 4096
level2: .skip 4096
.align 64
  .skip 65536
stack:

.section .text
.code32
.globl _start
_start:
  cli
  movl $level3 + 3, level4      /* present, writable */
  movl $level2 + 3, level3
  movl $0x83, %eax              /* pages of 2 MiB */
  movl $level2, %edi
  movl $512, %ecx
1:
  movl %eax, (%edi)
  addl $0x200000, %eax
  addl $8, %edi
  loop 1b
  movl $level4, %eax
  movl %eax, %cr3
  movl %cr4, %eax
  orl $0x40620, %eax            /* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
  movl %eax, %cr4
  movl $0xC0000080, %ecx        /* EFER.LME */
  rdmsr
  orl $0x100, %eax
  wrmsr
  movl %cr0, %eax
  andl $~0xC, %eax              /* no emulation, no task switch */
  orl $0x80000023, %eax         /* paging, protection, MP, NE */
  movl %eax, %cr0
  lgdt table
  ljmp $8, $in_64_bits
.code64
in_64_bits:
  movw $16, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl $stack, %esp
  xorl %ecx, %ecx
  movl $0x600E7, %eax           /* XCR0: x87, SSE, AVX, AVX-512, tiles */
  xorl %edx, %edx
  xsetbv
  fninit
  call run

.align 8
descriptors:
  .quad 0, 0x00AF9A000000FFFF, 0x00CF92000000FFFF
table:
  .word 23
  .long descriptors
.section .note.GNU-stack, "", @progbits
