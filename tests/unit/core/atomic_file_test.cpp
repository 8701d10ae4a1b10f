#include "core/atomic_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/file_descriptor.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/harness/small_disk.hpp"

namespace isoflop {
namespace {

std::size_t entries(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(AtomicFile, WritesReplacesAndLeavesNothingBeside) {
  const test::ScratchDirectory scratch;
  const auto path = scratch.path() / "mark";
  write_file_atomically(path, "one");
  write_file_atomically(path, std::string(100000, 'x'));
  EXPECT_EQ(read_file(path), std::string(100000, 'x'));
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(AtomicFile, FullDiskKeepsTheOldContent) {
  const test::ScratchDirectory scratch;
  const auto path = scratch.path() / "mark";
  write_file_atomically(path, "old");
  {
    const test::SmallDisk disk(1000);
    try {
      write_file_atomically(path, std::string(5000, 'x'));
      FAIL() << "5000 bytes fitted into 1000";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("mark"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("File too large"), std::string::npos)
          << error.what();
    }
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(AtomicFile, WhatADeadProcessWasWritingIsRemoved) {
  const test::ScratchDirectory scratch;
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
  const auto of = [&](const char* name, pid_t process) {
    std::string path = path_beside(scratch.path() / name);
    const std::string own = fmt::format(".{}.partial", getpid());
    return std::filesystem::path(
        path.replace(path.size() - own.size(), own.size(), fmt::format(".{}.partial", process)));
  };
  const auto elsewhere = scratch.path() / fmt::format("run.toml.another-host.{}.partial", gone);
  for (const auto& path : {of("run.toml", gone), of("log", getpid()), elsewhere,
                           scratch.path() / "data.partial", scratch.path() / "run.toml"})
    write_file_atomically(path, "x");
  remove_partial_files(scratch.path());
  EXPECT_FALSE(std::filesystem::exists(of("run.toml", gone)));
  EXPECT_TRUE(std::filesystem::exists(of("log", getpid())));
  EXPECT_TRUE(std::filesystem::exists(elsewhere));
  EXPECT_EQ(entries(scratch.path()), 4u);
}

// As on NFS; of the folders that are exchanged one may have the name beside the other.
TEST(AtomicFile, FullFoldersAreExchangedByRenames) {
  const test::ScratchDirectory scratch;
  const auto b = scratch.path() / "b";
  const auto a = path_beside(b);
  for (const auto& folder : {a, b}) {
    std::filesystem::create_directory(folder);
    write_file_atomically(folder / "was", folder.filename().string());
  }
  exchange_by_renames(a, b);
  EXPECT_EQ(read_file(b / "was"), a.filename().string());
  EXPECT_EQ(read_file(a / "was"), "b");
  EXPECT_EQ(entries(scratch.path()), 2u);
}

TEST(AtomicFile, ExchangeSwapsNames) {
  const test::ScratchDirectory scratch;
  write_file_atomically(scratch.path() / "a", "was a");
  write_file_atomically(scratch.path() / "b", "was b");
  exchange_durably(scratch.path() / "a", scratch.path() / "b");
  EXPECT_EQ(read_file(scratch.path() / "a"), "was b");
  EXPECT_EQ(read_file(scratch.path() / "b"), "was a");
  EXPECT_THROW(exchange_durably(scratch.path() / "a", scratch.path() / "none"), Error);
}

TEST(AtomicFile, MissingFolderIsNamed) {
  try {
    write_file_atomically("/nonexistent-folder/mark", "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent-folder/mark"), std::string::npos);
  }
}

TEST(FileDescriptor, ReadingPastTheEndIsAnError) {
  const test::ScratchDirectory scratch;
  write_file_atomically(scratch.path() / "a", "1234");
  const FileDescriptor file(scratch.path() / "a", O_RDONLY);
  EXPECT_EQ(file.size(), 4u);
  std::byte bytes[3];
  file.read(bytes, 1);
  EXPECT_EQ(static_cast<char>(bytes[2]), '4');
  EXPECT_THROW(file.read(bytes, 2), Error);
}

}  // namespace
}  // namespace isoflop
