// As long as it lives, no file of this process may grow past `bytes`: write(2) fails with EFBIG as
// it would with ENOSPC on a full disk, without the rights that mounting a small one needs.
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <cstddef>

namespace isoflop::test {

class SmallDisk {
 public:
  explicit SmallDisk(std::size_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit small = before_;
    small.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

}  // namespace isoflop::test
