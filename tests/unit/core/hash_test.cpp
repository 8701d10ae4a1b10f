#include "core/hash.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace isoflop {
namespace {

TEST(Hash, KnownValues) {  // published XXH3-64 test vectors, seed 0
  EXPECT_EQ(hex(hash64("")), "2d06800538d394c2");
  EXPECT_EQ(hex(hash64("a")), "e6c632b61e964e1f");
}

TEST(Hash, PiecesGiveTheValueOfTheWhole) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  for (const std::size_t cut : {0u, 1u, 255u, 999u, 1000u}) {
    Hasher hasher;
    hasher.add(std::string_view(text).substr(0, cut));
    hasher.add(std::string_view(text).substr(cut));
    EXPECT_EQ(hasher.value(), hash64(text)) << cut;
  }
}

TEST(Hash, DigitsAndBack) {
  EXPECT_EQ(parse_hex(hex(0xFEDCu)), 0xFEDCu);
  for (const char* wrong : {"", "12", "000000000000000g", "00000000000000000"})
    EXPECT_THROW(parse_hex(wrong), InputError) << wrong;
}

}  // namespace
}  // namespace isoflop
