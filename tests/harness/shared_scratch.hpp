// A scratch folder that the root makes and all ranks know. Made and dropped by all of them.
#pragma once

#include <array>
#include <optional>

#include "comm/communicator.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::test {

class SharedScratch {
 public:
  explicit SharedScratch(comm::Communicator& world) : world_(world) {
    if (world.is_root()) own_.emplace();
    std::array<char, 256> path{};
    if (own_) own_->path().string().copy(path.data(), path.size() - 1);
    world.broadcast<char>(path, 0);
    path_ = path.data();
  }
  ~SharedScratch() { world_.barrier(); }
  SharedScratch(const SharedScratch&) = delete;
  SharedScratch& operator=(const SharedScratch&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  comm::Communicator& world_;
  std::optional<ScratchDirectory> own_;
  std::filesystem::path path_;
};

}  // namespace isoflop::test
