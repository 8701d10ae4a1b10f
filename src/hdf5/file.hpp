// An HDF5 file of one process, in the 1.10 format (h5py 3 and HDF5 >= 1.10 read it).
//
// A file that is written while others read it (SWMR, "single writer, multiple readers") is made
// whole first (create, groups, attributes, columns, close), then opened with Access::swmr_write;
// from then on only the rows of its columns may change. Readers use Access::swmr_read (h5py:
// swmr=True), which also works on a file whose writer was killed.
//
// Errors: InputError for a full disk, Error otherwise, naming the path.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "hdf5/handle.hpp"

namespace isoflop::hdf5 {

enum class Access { read, write, swmr_read, swmr_write };

class File {
 public:
  /// An empty file; what was at `path` is gone.
  static File create(const std::filesystem::path& path);
  static File open(const std::filesystem::path& path, Access access);
  ~File();
  File(File&&) noexcept = default;
  File& operator=(File&&) noexcept = default;

  /// Hands everything written so far to the operating system: SWMR readers see it, kill -9 cannot
  /// lose it.
  void flush();
  /// Flushes and closes. Every column of the file must be closed before. The destructor closes too,
  /// but cannot report.
  void close();
  /// Takes disk space for this many more bytes, or throws before anything was harmed: HDF5 does not
  /// get over a write that fails, so ask before it writes.
  void reserve(std::size_t bytes);
  /// After a failed write: whatever HDF5 still wants to write, now or when it closes, goes nowhere.
  /// The file stays as after kill -9, instead of getting a header that promises bytes it does not
  /// have.
  void abandon() noexcept;

  /// Names of the objects in a group, sorted; empty when there is no such group.
  std::vector<std::string> children(const std::string& group) const;
  /// An object (here) or a link (also one to another file) of that name exists; "/" does.
  bool contains(const std::string& name) const;
  /// Groups on the way are made.
  void make_group(const std::string& name);
  /// `name` stands for `object` in another file, given relative to this file's folder.
  void link_external(const std::string& name, const std::string& file, const std::string& object);

  /// The file that the link `name` points to, as it was given; empty: `name` is no such link.
  std::string linked_file(const std::string& name) const;

  hid_t id() const { return handle_.id(); }
  /// For messages: the path, and the object when one is given.
  std::string where(const std::string& object = "") const;

 private:
  File(std::filesystem::path path, FileHandle handle);
  /// The system's, or -1.
  int descriptor() const noexcept;

  std::filesystem::path path_;
  FileHandle handle_;
  std::size_t reserved_ = 0;  // space is there up to this byte
};

/// Property list of links that makes the groups on the way.
PropertiesHandle making_groups();

}  // namespace isoflop::hdf5
