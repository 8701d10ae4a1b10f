#include "hdf5/file.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "hdf5/attributes.hpp"
#include "hdf5/contiguous.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::hdf5 {
namespace {

using isoflop::test::ScratchDirectory;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no Error";
  return "";
}

TEST(Handle, MovesAndClosesOnce) {
  SpaceHandle a(H5Screate(H5S_SCALAR));
  const hid_t id = a.id();
  SpaceHandle b(std::move(a));
  EXPECT_LT(a.id(), 0);  // NOLINT(bugprone-use-after-move): that it is empty is the point
  EXPECT_EQ(b.id(), id);
  b = SpaceHandle();
  EXPECT_EQ(H5Iis_valid(id), 0);
  EXPECT_EQ(b.close(), 0);  // empty: nothing to close
}

TEST(File, ErrorsNameFileAndReasonAndPrintNothing) {
  const ScratchDirectory scratch;
  const std::string missing = (scratch.path() / "none.h5").string();
  testing::internal::CaptureStderr();
  EXPECT_EQ(message_of([&] { File::open(missing, Access::read); }),
            missing + ": unable to open file: No such file or directory");
  const std::string text = (scratch.path() / "text.h5").string();
  std::ofstream(text) << "not HDF5";
  EXPECT_EQ(message_of([&] { File::open(text, Access::read); }),
            text + ": file signature not found (H5Fopen)");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(File, GroupsAndLinks) {
  const ScratchDirectory scratch;
  File file = File::create(scratch.path() / "a.h5");
  file.make_group("/b/c");
  file.make_group("/b/a");
  file.link_external("/links/one", "elsewhere.h5", "/");
  EXPECT_TRUE(file.contains("/"));
  EXPECT_TRUE(file.contains("/b/c"));
  EXPECT_TRUE(file.contains("/links/one"));
  EXPECT_FALSE(file.contains("/b/x"));
  EXPECT_FALSE(file.contains("/x/y"));
  EXPECT_EQ(file.children("/b"), (std::vector<std::string>{"a", "c"}));
  EXPECT_TRUE(file.children("/x").empty());
  EXPECT_THROW(file.make_group("/b/c"), Error);
  EXPECT_THROW(file.children("/links/one"), Error);  // elsewhere.h5 does not exist
}

class AttributesAs : public ::testing::TestWithParam<Text> {};
INSTANTIATE_TEST_SUITE_P(Text, AttributesAs, ::testing::Values(Text::variable, Text::fixed));

TEST_P(AttributesAs, KeepTypeAndValue) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "a.h5";
  const Attributes written{{"empty", std::string()},
                           {"integer", std::int64_t{-9'007'199'254'740'993}},
                           {"long", std::string(200'000, 'x')},
                           {"real", 0.1},
                           {"text", std::string("größe")}};
  {
    File file = File::create(path);
    write_attributes(file, "/", {{"real", std::string("replaced by a number")}});
    write_attributes(file, "/", written, GetParam());
    file.close();
  }
  const File file = File::open(path, Access::read);
  const Attributes read = read_attributes(file, "/");
  EXPECT_EQ(read, written);
  ASSERT_NE(find(read, "real"), nullptr);
  EXPECT_EQ(find(read, "none"), nullptr);
}

TEST(Contiguous, PlaceInTheFileIsWhereTheBytesAre) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "a.h5";
  const std::vector<std::vector<std::size_t>> shapes{{}, {1}, {3, 5}, {2, 3, 4}, {1000}};
  std::vector<std::size_t> offsets;
  {
    File file = File::create(path);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Contiguous made = create_contiguous(file, "/t/" + std::to_string(i), shapes[i]);
      EXPECT_EQ(made.shape, shapes[i]);
      offsets.push_back(made.offset);
    }
    file.close();
  }
  EXPECT_GE(std::filesystem::file_size(path), offsets.back() + 4000);
  const File file = File::open(path, Access::read);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Contiguous found = open_contiguous(file, "/t/" + std::to_string(i));
    EXPECT_EQ(found.shape, shapes[i]);
    EXPECT_EQ(found.offset, offsets[i]);
  }
  EXPECT_THROW(open_contiguous(file, "/t/9"), InputError);
}

}  // namespace
}  // namespace isoflop::hdf5
