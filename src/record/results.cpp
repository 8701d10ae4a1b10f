#include "record/results.hpp"

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/version.hpp"
#include "hdf5/attributes.hpp"
#include "hdf5/error.hpp"
#include "hdf5/table.hpp"
#include "record/run_data.hpp"

namespace isoflop::record {
namespace {

void write_file(const std::filesystem::path& path, const Results& results) {
  hdf5::File file = hdf5::File::create(path);
  constexpr std::size_t kBytesOfRun = 2048, kBytesOfFile = 65536;  // ample, links included
  file.reserve(kBytesOfFile + results.rows.size() * kBytesOfRun);
  hdf5::write_attributes(file, "/",
                         {{"schema", kSchema},
                          {"isoflop_version", version()},
                          {"isoflop_commit", commit()},
                          {"sweep", results.sweep},
                          {"data_fingerprint", results.data_fingerprint}});
  hdf5::write_table(file, "/runs", results.rows);
  file.make_group("/curves");
  for (const ResultRow& row : results.rows)
    file.link_external("/curves/" + row.run, "runs/" + row.run + "/run.h5", "/");
  file.close();
}

Results read_whole(const std::filesystem::path& path) {
  const std::string where = path.string();
  const hdf5::File file = hdf5::File::open(path, hdf5::Access::read);
  const hdf5::Attributes attributes = hdf5::read_attributes(file, "/");
  const hdf5::Value* schema = hdf5::find(attributes, "schema");
  require(schema != nullptr && *schema == hdf5::Value(kSchema),
          "{}: schema {} is needed: the file is no results file, or of another version of isoflop",
          where, kSchema);
  require(hdf5::find(attributes, "run") == nullptr,
          "{}: is the record of one run; needed the results.h5 of isoflop sweep collect, or a CSV",
          where);
  return {hdf5::get<std::string>(attributes, "sweep", where),
          hdf5::get<std::string>(attributes, "data_fingerprint", where),
          hdf5::read_table<ResultRow>(file, "/runs")};
}

// What `read` reads; a damaged file is the user's to replace.
template <class Read>
auto unless_damaged(const Read& read) {
  try {
    return read();
  } catch (const hdf5::Damaged& error) {
    throw InputError(fmt::format(
        "{}; it is no results file, or was cut off: isoflop sweep collect writes it again",
        error.what()));
  }
}

}  // namespace

void write_results(const std::filesystem::path& path, const Results& results) {
  replace_file(path, [&](const std::filesystem::path& beside) { write_file(beside, results); });
}

Results read_results(const std::filesystem::path& path) {
  return unless_damaged([&] { return read_whole(path); });
}

std::map<std::string, std::filesystem::path> linked_records(const std::filesystem::path& path) {
  return unless_damaged([&] {
    const hdf5::File file = hdf5::File::open(path, hdf5::Access::read);
    std::map<std::string, std::filesystem::path> records;
    for (const std::string& run : file.children("/curves")) {
      const std::string linked = file.linked_file("/curves/" + run);
      if (!linked.empty()) records[run] = path.parent_path() / linked;
    }
    return records;
  });
}

}  // namespace isoflop::record
