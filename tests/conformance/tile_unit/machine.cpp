// The products of cases.hpp by the tile unit, on a processor without an operating system: lines go
// to the first serial port. Compiled freestanding, hence the functions that the compiler calls by
// itself.
#include "tests/conformance/tile_unit/cases.hpp"

namespace {

constexpr unsigned short kPort = 0x3F8;

void out(unsigned short port, unsigned char value) {
  asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

unsigned char in(unsigned short port) {
  unsigned char value = 0;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

void open_port() {
  constexpr unsigned char kSettings[][2] = {{1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 0xC7}};
  for (const auto& setting : kSettings) {
    out(static_cast<unsigned short>(kPort + setting[0]), setting[1]);
  }
}

void print(char letter) {
  while ((in(kPort + 5) & 0x20) == 0) {
  }
  out(kPort, static_cast<unsigned char>(letter));
}

void print(const char* text) {
  while (*text != '\0') print(*text++);
}

void print(std::size_t number) {
  if (number >= 10) print(number / 10);
  print(static_cast<char>('0' + number % 10));
}

void print_hash(std::uint64_t hash) {
  for (int shift = 60; shift >= 0; shift -= 4) print("0123456789abcdef"[hash >> shift & 15]);
}

isoflop::kernels::cpu::Memory memory;

}  // namespace

extern "C" {

void* memcpy(void* to, const void* from, std::size_t bytes) {
  void* at = to;
  asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes)::"memory");
  return to;
}

void* memset(void* to, int value, std::size_t bytes) {
  void* at = to;
  asm volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
  return to;
}

[[noreturn]] void run() {
  using namespace isoflop::kernels::cpu;
  open_port();
  hash_all(tile_kernel<float>(), tile_kernel<isoflop::bf16>(), memory,
           [](const Case& c, std::uint64_t hash) {
             print(c.rows), print(" x "), print(c.columns), print(" x "), print(c.depth);
             print(", a "), print(static_cast<std::size_t>(c.a));
             print(", b "), print(static_cast<std::size_t>(c.b));
             print(", accumulate "), print(std::size_t{c.accumulate});
             print(", rounded "), print(std::size_t{c.rounded});
             print(", wild "), print(std::size_t{c.wild}), print(": "), print_hash(hash),
                 print("\n");
           });
  print("done\n");
  for (;;) print("\n");  // until the emulator has written what it keeps back
}

}  // extern "C"
