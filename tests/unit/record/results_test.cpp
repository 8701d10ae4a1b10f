#include "record/results.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.hpp"
#include "hdf5/file.hpp"
#include "record/run_record.hpp"
#include "sample_run.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/harness/small_disk.hpp"

namespace isoflop::record {
namespace {

using isoflop::test::ScratchDirectory;
using isoflop::test::SmallDisk;

ResultRow sample_row(std::int64_t number) {
  ResultRow row;
  row.run = fmt::format("{:016x}", number);
  row.label = "größe " + std::to_string(number);
  row.status = "finished";
  row.n_total = 1'000'000'000'000 + number;
  row.loss = 1.0 / 3.0;
  row.learning_rate = 3e-4;
  row.schedule = "wsd";
  row.precision = "bf16";
  row.seed = number;
  row.data_fingerprint = "00000000000000ff";
  return row;
}

TEST(Results, EverythingComesBack) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "results.h5";
  for (const int count : {0, 1, 5000}) {
    Results results{"quickstart", "00000000000000ff", {}};
    for (int i = 0; i < count; ++i) results.rows.push_back(sample_row(i));
    write_results(path, results);
    const Results read = read_results(path);
    EXPECT_EQ(read.sweep, "quickstart");
    ASSERT_EQ(read.rows.size(), results.rows.size());
    for (std::size_t i = 0; i < read.rows.size(); ++i) {
      ASSERT_EQ(read.rows[i].run, results.rows[i].run);
      ASSERT_EQ(read.rows[i].label, results.rows[i].label);
      ASSERT_EQ(read.rows[i].role, "fit");
      ASSERT_EQ(read.rows[i].n_total, results.rows[i].n_total);
      ASSERT_EQ(read.rows[i].loss, 1.0 / 3.0);
      ASSERT_EQ(read.rows[i].data_fingerprint, "00000000000000ff");
    }
  }
}

TEST(Results, CurvesLinkToTheRuns) {
  const ScratchDirectory scratch;
  const ResultRow row = sample_row(1);
  const auto run = scratch.path() / "runs" / row.run;
  std::filesystem::create_directories(run);
  RunRecord record = RunRecord::create(run / "run.h5", test::sample_facts());
  record.train(test::train_row(1));
  record.finish({});
  write_results(scratch.path() / "results.h5", {"s", "f", {row}});
  const hdf5::File file = hdf5::File::open(scratch.path() / "results.h5", hdf5::Access::read);
  EXPECT_EQ(file.children("/curves/" + row.run),
            (std::vector<std::string>{"eval", "events", "profile", "summary", "train"}));
  EXPECT_EQ(linked_records(scratch.path() / "results.h5"),
            (std::map<std::string, std::filesystem::path>{{row.run, run / "run.h5"}}));
}

TEST(Results, FullDiskKeepsTheOldFile) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "results.h5";
  write_results(path, {"old", "f", {}});
  {
    const SmallDisk disk(20'000);
    Results large{"new", "f", {}};
    for (int i = 0; i < 1000; ++i) large.rows.push_back(sample_row(i));
    EXPECT_THROW(write_results(path, large), InputError);
  }
  EXPECT_EQ(read_results(path).sweep, "old");
}

TEST(Results, AFileThatWasCutOffIsBadInput) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "results.h5";
  write_results(path, {"s", "f", {sample_row(1)}});
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THROW(read_results(path), InputError);
  EXPECT_THROW(linked_records(path), InputError);
}

TEST(Results, BadFilesAndRowsAreRefused) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "results.h5";
  std::ofstream(path) << "run,loss\n";
  EXPECT_THROW(read_results(path), InputError);
  hdf5::File::create(path).close();
  EXPECT_THROW(read_results(path), InputError);
  ResultRow row = sample_row(1);
  row.precision = "float8_e4m3";
  EXPECT_THROW(write_results(path, {"s", "f", {row}}), InputError);
}

}  // namespace
}  // namespace isoflop::record
