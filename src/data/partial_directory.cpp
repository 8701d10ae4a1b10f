#include "data/partial_directory.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "data/corpus_file.hpp"

namespace isoflop::data {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLock = "lock";

bool is_shard(const std::string& name) {
  return name.ends_with(kShardSuffix) && std::ranges::any_of(kSplitNames, [&](const char* split) {
           return name.find(fmt::format("-{}-", split)) != std::string::npos;
         });
}

/// Whether nobody is at it and all in it is a corpus's.
bool is_leftover(const fs::path& path) try {
  return fs::is_directory(path) && !FileLock::is_held(path / kLock) && !find_stranger(path);
} catch (const fs::filesystem_error&) {  // another process removes or publishes it
  return false;
}

/// Folders that were moved beside `target` by processes that were killed while they published.
void remove_leftovers(const fs::path& target, const fs::path& filling) {
  const std::string beginning = target.filename().string() + ".";
  for (const fs::directory_entry& entry : fs::directory_iterator(target.parent_path())) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(beginning) || !name.ends_with(".partial") || entry.path() == filling ||
        !is_leftover(entry.path()))
      continue;
    std::error_code ignored;  // another process may be at it
    fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

fs::path replaceable_directory(const fs::path& target) {
  require(!target.empty(), "--out: seen an empty name, needed a directory");
  const fs::path folder = fs::weakly_canonical(fs::absolute(target));
  require(!fs::is_symlink(folder), "--out {}: links to {}, which is not there: make that folder",
          target.string(), fs::is_symlink(folder) ? fs::read_symlink(folder).string() : "");
  if (!fs::exists(folder)) return folder;
  require(!fs::equivalent(folder, fs::current_path()),
          "--out {}: is the folder you are in, which would be replaced: choose one inside it",
          target.string());
  struct stat here{}, above{};
  if (::stat(folder.c_str(), &here) != 0) throw_system_error(folder, "stat", errno);
  if (::stat(folder.parent_path().c_str(), &above) != 0)
    throw_system_error(folder.parent_path(), "stat", errno);
  require(here.st_dev == above.st_dev,
          "--out {}: a file system is mounted there, which cannot be replaced: choose a directory "
          "inside it",
          target.string());
  return folder;
}

std::optional<std::string> find_stranger(const fs::path& directory) {
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    std::string name = entry.path().filename();
    const bool is_own = name == kLock || name == kCorpusFileName || name == kTokenizerFileName ||
                        is_shard(name) || name.ends_with(".partial");
    if (!is_own || !entry.is_regular_file()) return name;
  }
  return std::nullopt;
}

PartialDirectory::PartialDirectory(const fs::path& target)
    : target_(replaceable_directory(target)) {
  path_ = target_.string() + ".partial";
  std::error_code error;
  fs::create_directories(path_, error);
  require(!error, "{}: cannot be made ({}): choose another --out", path_.string(), error.message());
  const auto stranger = find_stranger(path_);
  require(!stranger, "{}: holds {}, which would be removed: move it away or choose another --out",
          path_.string(), stranger.value_or(""));
  lock_.emplace(path_ / kLock);
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (entry.path().filename() != kLock) fs::remove_all(entry.path());
  }
  remove_leftovers(target_, path_);
}

PartialDirectory::~PartialDirectory() {
  if (!lock_) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

// The lock goes along and is removed at the new place: until then nobody takes this folder for one
// that an interrupted process left.
void PartialDirectory::publish() {
  sync_path(path_);
  const bool replaces = fs::exists(target_) && !fs::is_empty(target_);
  if (replaces) {
    const fs::path own = path_beside(target_);  // the old corpus must not get a name others use
    rename_durably(path_, own);
    path_ = own;
    exchange_durably(path_, target_);
  } else {
    rename_durably(path_, target_);
  }
  fs::remove(target_ / kLock);
  lock_.reset();
  if (replaces && !find_stranger(path_)) fs::remove_all(path_);  // one may have come meanwhile
}

}  // namespace isoflop::data
