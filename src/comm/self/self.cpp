#include "comm/self/self.hpp"

#include <cstdlib>
#include <cstring>

namespace isoflop::comm {
namespace {

void copy(std::span<const std::byte> from, std::span<std::byte> to) {
  if (from.data() != to.data() && !from.empty()) std::memcpy(to.data(), from.data(), from.size());
}

class SelfTransport final : public Transport {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  void broadcast(std::span<std::byte>, int) override {}
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    copy(mine, all);
  }
  void exchange(std::span<const Message>, std::span<const Message>) override {}
  std::int64_t maximum(std::int64_t value) override { return value; }
  void abort(int exit_code) override { std::_Exit(exit_code); }
};

}  // namespace

std::unique_ptr<Transport> make_self_transport() { return std::make_unique<SelfTransport>(); }

}  // namespace isoflop::comm
