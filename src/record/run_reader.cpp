#include "record/run_reader.hpp"

#include <chrono>
#include <thread>

#include "core/error.hpp"
#include "hdf5/error.hpp"
#include "record/row_group.hpp"
#include "record/run_facts.hpp"

namespace isoflop::record {
namespace {

template <class Row>
std::vector<Row> rows_of(const hdf5::File& file, const std::string& group) {
  return RowGroup<Row>::open(file, group).read();
}

RunData content_of(const hdf5::File& file, const std::filesystem::path& path) {
  RunData data;
  from_attributes(hdf5::read_attributes(file, "/"), path.string(), data.facts, data.outcome);
  data.train = rows_of<TrainRow>(file, "/train");
  for (const std::string& set : file.children("/eval"))
    data.eval[set] = rows_of<EvalRow>(file, "/eval/" + set);
  data.events = rows_of<EventRow>(file, "/events");
  data.profile = rows_of<ProfileRow>(file, "/profile");
  const auto summary = rows_of<RunOutcome>(file, "/summary");
  if (summary.empty()) throw Damaged(path.string() + ": /summary is empty: this is no run record");
  data.outcome = summary.front();
  return data;
}

RunData read_once(const std::filesystem::path& path) {
  const hdf5::File file = hdf5::File::open(path, hdf5::Access::swmr_read);
  try {
    return content_of(file, path);
  } catch (const Damaged&) {
    throw;
  } catch (const InputError& error) {  // the file is open: no right and no limit is in the way
    throw Unusable(error.what());
  }
}

// A writer may rewrite the block that is being read, or be just opening the file: then the next
// look succeeds.
template <class Read>
auto read_patiently(const std::filesystem::path& path, const Read& read) {
  constexpr int kTries = 5;
  for (int tried = 1;; ++tried) {
    try {
      return read();
    } catch (const InputError&) {
      throw;
    } catch (const hdf5::Damaged& error) {
      if (tried == kTries)
        throw Damaged(std::string(error.what()) + "; it is no run record, or was cut off");
    } catch (const Error&) {
      if (tried == kTries || !std::filesystem::exists(path)) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 * tried));
  }
}

}  // namespace

RunData read_run(const std::filesystem::path& path) {
  return read_patiently(path, [&] { return read_once(path); });
}

std::vector<TrainRow> read_last_steps(const std::filesystem::path& path, std::size_t most) {
  return read_patiently(path, [&] {
    const hdf5::File file = hdf5::File::open(path, hdf5::Access::swmr_read);
    return RowGroup<TrainRow>::open(file, "/train").read(most);
  });
}

}  // namespace isoflop::record
