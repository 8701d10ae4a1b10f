#include "record/run_writer.hpp"

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "record/row_group.hpp"
#include "record/run_facts.hpp"
#include "record/run_reader.hpp"

namespace isoflop::record {
namespace {

template <class Row>
void write_rows(hdf5::File& file, const std::string& group, const std::vector<Row>& rows) {
  auto columns = RowGroup<Row>::create(file, group);
  for (const Row& row : rows) columns.add(row);
  columns.write();
}

/// Bytes of the file, generously.
std::size_t upper_bound(const RunData& data) {
  constexpr std::size_t kBytesOfFile = 300'000, kBytesOfRow = 72, kBytesOfEvent = 384;
  std::size_t rows = data.train.size() + data.profile.size() * 2;
  for (const auto& [set, set_rows] : data.eval) rows += set_rows.size();
  return kBytesOfFile + 2 * data.facts.config.size() + rows * kBytesOfRow +
         data.events.size() * kBytesOfEvent;
}

void write_file(const std::filesystem::path& path, const RunData& data) {
  hdf5::File file = hdf5::File::create(path);
  file.reserve(upper_bound(data));
  hdf5::write_attributes(file, "/", to_attributes(data.facts, data.outcome));
  write_rows(file, "/train", data.train);
  for (const auto& [set, rows] : data.eval) write_rows(file, "/eval/" + set, rows);
  write_rows(file, "/events", data.events);
  write_rows(file, "/profile", data.profile);
  write_rows(file, "/summary", std::vector{data.outcome});
  file.close();
}

bool was_closed(const std::filesystem::path& path) {
  try {
    hdf5::File::open(path, hdf5::Access::read).close();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void write_run(const std::filesystem::path& path, const RunData& data) {
  replace_file(path, [&](const std::filesystem::path& beside) { write_file(beside, data); });
}

void mend_run(const std::filesystem::path& path) {
  if (!was_closed(path)) write_run(path, read_run(path));
}

}  // namespace isoflop::record
