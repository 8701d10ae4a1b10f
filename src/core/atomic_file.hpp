// Files that are there whole or not at all, also after kill -9 or a power cut: written beside their
// place, synced, renamed over it, and the folder synced so that the new name survives.
//
// Failures throw Error naming the path, the operation and the system's reason; a full disk or
// quota, a missing right, too many open files and a name too long are InputError, because only the
// user can do something about them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace isoflop {

/// `path` holds exactly `content` afterwards, or what it held before.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// The same for a file that a library makes: `write` makes it at the path it is given.
void replace_file(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path&)>& write);

/// The whole file.
std::string read_file(const std::filesystem::path& path);

/// Removes the files of this folder that processes of this machine which are gone were writing
/// beside others.
void remove_partial_files(const std::filesystem::path& folder);

/// A name beside `path` for its next version; one a process.
std::filesystem::path path_beside(const std::filesystem::path& path);

/// Whether path_beside() gave this name to a process of this machine that is gone.
bool is_left_behind(const std::filesystem::path& path);

/// Blocks until the file's bytes, or the folder's names, are on the disk.
void sync_path(const std::filesystem::path& path);

/// Blocks until the name of `path` is on the disk; who may not list its folder cannot sync it.
void sync_name_of(const std::filesystem::path& path);

/// Makes the folder and those above it that are missing, and syncs the names of those it made.
/// `error` says why one cannot be made.
void make_folders_durably(const std::filesystem::path& path, std::error_code& error);

/// Renames and syncs the folder of `to`. A file or empty folder that is there is replaced.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

/// Two files or folders of one folder change names, in one step where the file system can (NFS
/// cannot: there `b` is missing for a moment, as by renames).
void exchange_durably(const std::filesystem::path& a, const std::filesystem::path& b);
void exchange_by_renames(const std::filesystem::path& a, const std::filesystem::path& b);

/// Throws for a failed system call: "<path>: <operation>: <reason>".
[[noreturn]] void throw_system_error(const std::filesystem::path& path, const char* operation,
                                     int error);

}  // namespace isoflop
