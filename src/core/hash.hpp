// The project's one hash: XXH3, 64 bits, of bytes. Fast (tens of GB/s), the same on every machine,
// for checksums, fingerprints and run names; no protection against an adversary.
//
//   Hasher hasher; hasher.add(text); hasher.add(more); name = hex(hasher.value());
//
// Adding bytes in pieces gives the value of the whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace isoflop {

std::uint64_t hash64(std::span<const std::byte> bytes);
std::uint64_t hash64(std::string_view text);

/// 16 lower-case hexadecimal digits.
std::string hex(std::uint64_t value);

/// 16 digits back to the value; InputError for anything else.
std::uint64_t parse_hex(std::string_view digits);

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  /// Of everything added so far; more may follow.
  std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace isoflop
