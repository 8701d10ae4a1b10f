#include "comm/self/self.hpp"

#include <cstdlib>
#include <cstring>

namespace isoflop::comm {
namespace {

class SelfTransport final : public Transport {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Start start_barrier(const Call&) override { return nullptr; }
  Start start_broadcast(std::span<std::byte>, const Call&) override { return nullptr; }
  Start start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all,
                         const Call&) override {
    if (mine.data() != all.data() && !mine.empty())
      std::memcpy(all.data(), mine.data(), mine.size());
    return nullptr;
  }
  Start start_all_to_all(std::span<const std::byte> out, std::span<std::byte> in,
                         const Call& call) override {
    return start_all_gather(out, in, call);
  }
  Start start_exchange(std::span<const Message>, std::span<const Message>, const Call&) override {
    return nullptr;
  }
  Start start_unordered_all_reduce(std::span<float>, const Call&) override { return nullptr; }
  Start start_unordered_reduce_scatter(std::span<float>, const Call&) override { return nullptr; }
  void check(std::size_t, const Call&) override {}
  std::unique_ptr<Transport> group(const std::string&, int) override {
    return make_self_transport();
  }
  void at_step(std::int64_t) override {}
  void while_waiting(std::function<void()>) override {}  // a rank alone never waits
  void abort(int exit_code) override { std::_Exit(exit_code); }
};

}  // namespace

std::unique_ptr<Transport> make_self_transport() { return std::make_unique<SelfTransport>(); }

}  // namespace isoflop::comm
