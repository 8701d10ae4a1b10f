#include <gtest/gtest.h>

#include "core/error.hpp"
#include "hdf5/attributes.hpp"
#include "hdf5/column.hpp"
#include "hdf5/table.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::hdf5 {
namespace {

using isoflop::test::ScratchDirectory;

struct Point {
  std::int64_t step = 0;
  double loss = 0;
  std::string kind;

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("step", row.step);
    field("loss", row.loss);
    field("kind", row.kind, 5);
  }
};

struct Wider {
  double loss = 0;
  double weight = 0;
  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("loss", row.loss);
    field("weight", row.weight);
  }
};

struct Narrower {  // fewer columns, in another order
  std::string kind;
  double loss = 0;
  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("kind", row.kind, 5);
    field("loss", row.loss);
  }
};

TEST(Table, RowsComeBackByName) {
  const ScratchDirectory scratch;
  File file = File::create(scratch.path() / "a.h5");
  write_table<Point>(file, "/t", {{1, 0.5, "ab"}, {-2, 1e300, "äöx"}});
  const auto rows = read_table<Narrower>(file, "/t");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].kind, "ab");
  EXPECT_EQ(rows[1].kind, "äöx");  // five bytes: full
  EXPECT_EQ(rows[1].loss, 1e300);
  EXPECT_EQ(read_table<Point>(file, "/t")[1].step, -2);
  EXPECT_THROW(read_table<Wider>(file, "/t"), InputError);
  EXPECT_THROW(read_table<Point>(file, "/u"), InputError);
}

TEST(Text, DoesNotGrowSilently) {
  std::vector<std::byte> packed;
  EXPECT_THROW(pack_text("kind", "123456", 5, packed), InputError);
  EXPECT_TRUE(packed.empty());
  EXPECT_EQ(cut_text("12345", 5), "12345");
  EXPECT_EQ(cut_text("1234é", 5), "1234");
  EXPECT_EQ(cut_text("é", 1), "");
}

std::vector<std::byte> numbers(std::int64_t first, std::size_t count) {
  std::vector<std::int64_t> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = first + static_cast<std::int64_t>(i);
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

TEST(Column, GrowsInOddPieces) {
  const ScratchDirectory scratch;
  File file = File::create(scratch.path() / "a.h5");
  Column column = Column::create(file, "/g/x", Type::int64());
  std::size_t rows = 0;
  for (const std::size_t piece : {1u, 510u, 0u, 1u, 2000u, 7u}) {
    column.append(numbers(static_cast<std::int64_t>(rows), piece));
    rows += piece;
    ASSERT_EQ(column.size(), rows);
  }
  column.overwrite(600, numbers(-5, 3));
  const auto read = Column::open(file, "/g/x", Type::int64()).read(0, rows);
  auto expected = numbers(0, rows);
  const auto changed = numbers(-5, 3);
  std::copy(changed.begin(), changed.end(), expected.begin() + 600 * 8);
  EXPECT_EQ(read, expected);
  EXPECT_THROW(Column::open(file, "/g/x", Type::float64()), InputError);
  EXPECT_THROW(Column::open(file, "/g/x", Type::text(8)), InputError);
  EXPECT_THROW(Column::open(file, "/g/y", Type::int64()), InputError);
}

TEST(Column, DamageIsNoticed) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "a.h5";
  {
    File file = File::create(path);
    Column::create(file, "/x", Type::int64()).append(numbers(0x1122334455667788, 100));
    file.close();
  }
  std::FILE* raw = std::fopen(path.c_str(), "r+b");
  ASSERT_NE(raw, nullptr);
  std::string content(std::filesystem::file_size(path), '\0');
  ASSERT_EQ(std::fread(content.data(), 1, content.size(), raw), content.size());
  const auto at = content.find("\x88\x77\x66\x55\x44\x33\x22\x11");
  ASSERT_NE(at, std::string::npos);
  std::fseek(raw, static_cast<long>(at) + 17, SEEK_SET);
  std::fputc('x', raw);
  std::fclose(raw);
  const File file = File::open(path, Access::read);
  const Column column = Column::open(file, "/x", Type::int64());
  try {
    column.read(0, 100);
    FAIL() << "a flipped byte went unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(":/x"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("Fletcher32"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace isoflop::hdf5
