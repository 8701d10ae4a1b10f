// Symbols that Debian's Kokkos and oneDNN binaries expect from glibc >= 2.38 and libstdc++ >= 13.
#include <cxxabi.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>

extern "C" long __isoc23_strtol(const char* s, char** end, int base) {
  return std::strtol(s, end, base);
}
extern "C" long long __isoc23_strtoll(const char* s, char** end, int base) {
  return std::strtoll(s, end, base);
}
extern "C" [[noreturn]] void __cxa_call_terminate(void* exception) {
  abi::__cxa_begin_catch(exception);
  std::terminate();
}
extern "C" void _ZSt21ios_base_library_initv() { static const std::ios_base::Init init; }
// Replace [p, p+len1) by [s, s+len2), which overlaps it; `tail` characters follow.
extern "C" void _ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE15_M_replace_coldEPcmPKcmm(
    std::string*, char* p, std::size_t len1, const char* s, std::size_t len2, std::size_t tail) {
  const std::string source(s, len2);
  if (tail != 0 && len1 != len2) std::memmove(p + len2, p + len1, tail);
  std::memcpy(p, source.data(), len2);
}
