#include "data/partial_directory.hpp"

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop::data {
namespace fs = std::filesystem;

PartialDirectory::PartialDirectory(fs::path target) : target_(std::move(target)) {
  path_ = target_.string() + ".partial";
  lock_path_ = path_ / "lock";
  std::error_code error;
  fs::create_directories(path_, error);
  require(!error, "{}: cannot be made ({}): choose another --out", path_.string(), error.message());
  lock_.emplace(lock_path_);
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (entry.path() != lock_path_) fs::remove_all(entry.path());
  }
}

PartialDirectory::~PartialDirectory() {
  if (!lock_) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void PartialDirectory::publish() {
  fs::remove(lock_path_);
  sync_path(path_);
  const bool replaces = fs::exists(target_) && !fs::is_empty(target_);
  if (!replaces) {
    rename_durably(path_, target_);
    lock_.reset();
    return;
  }
  exchange_durably(path_, target_);
  const fs::path old = path_beside(target_);  // out of the way of the next process that prepares
  rename_durably(path_, old);
  lock_.reset();
  fs::remove_all(old);
}

}  // namespace isoflop::data
