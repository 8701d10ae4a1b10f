#include "comm/nccl/nccl.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/alarm.hpp"
#include "comm/nccl/handles.hpp"
#include "comm/pool.hpp"
#include "comm/request.hpp"
#include "core/error.hpp"

namespace isoflop::comm {
namespace {

using Clock = std::chrono::steady_clock;

void copy(std::span<const std::byte> from, std::byte* to) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

// What a transport shares with the calls it starts.
struct Group {
  Transport& host;
  NcclComm comm;
  int device;
  double deadline_seconds;
  std::shared_ptr<std::int64_t> step;  // of the world
  Stream stream;

  void require_alive(const Call& call) const {
    if (comm.get() == nullptr)
      throw Error(fmt::format("{} at {}:{}: not done, something failed before", call.name,
                              call.place.file_name(), call.place.line()));
  }

  // Whether the device has done what it had to when `event` was recorded.
  bool passed(const Event& event, const Call& call) const {
    require_alive(call);  // what was aborted has ended as well
    ncclResult_t state = ncclSuccess;
    check_nccl(ncclCommGetAsyncError(comm.get(), &state), "ncclCommGetAsyncError");
    check_nccl(state, call.name);
    const cudaError_t code = cudaEventQuery(event.get());
    if (code == cudaErrorNotReady) return false;
    check_cuda(code, call.name);
    return true;
  }
};

class NcclPending final : public Pending {
 public:
  NcclPending(Group& group, Pool<NcclPending>& pool) : group_(group), pool_(pool) {
    check_cuda(cudaSetDevice(group.device), "cudaSetDevice");  // this thread's
    event_ = new_event();
  }

  /// Memory of the call [bytes], for the device.
  std::byte* begin(const Call& call, std::size_t bytes) {
    group_.require_alive(call);
    call_ = call;
    complete_ = false;
    return memory_.room(bytes);
  }

  /// The call is on its way; `result` gets what then is at `from` in its memory.
  void launched(std::span<std::byte> result, const std::byte* from) {
    result_ = result;
    from_ = from;
    check_cuda(cudaEventRecord(event_.get(), group_.stream.get()), "cudaEventRecord");
    others_ = group_.host.start_barrier(call_);
  }

  bool done() override {
    if (complete_) return true;
    if (others_ && !others_->done()) return false;
    others_ = nullptr;
    if (!group_.passed(event_, call_)) return false;
    finish();
    return true;
  }

  void wait() override {
    if (complete_) return;
    try {
      if (others_) others_->wait();
      others_ = nullptr;
      wait_for_device();
    } catch (...) {
      group_.comm.abort();
      throw;
    }
    finish();
  }

  // What was given up may still be written to.
  void give_back() noexcept override {
    if (complete_) pool_.give_back(*this);
  }

 private:
  // All ranks have launched this call and those before it: nothing here has to go on meanwhile.
  void wait_for_device() {
    const Clock::time_point begin = Clock::now();
    const std::chrono::duration<double> patience(group_.deadline_seconds);
    while (!group_.passed(event_, call_)) {
      if (Clock::now() - begin > patience)
        throw Error(fmt::format(
            "{} at {}:{}, step {}, on rank {} of {}: all ranks are there, but NCCL did not end it "
            "before the deadline (ISOFLOP_DEADLINE) of {} s",
            call_.name, call_.place.file_name(), call_.place.line(), *group_.step,
            group_.host.rank(), group_.host.size(), group_.deadline_seconds));
      sched_yield();
    }
  }

  void finish() {
    copy({from_, result_.size()}, result_.data());
    complete_ = true;
  }

  Group& group_;
  Pool<NcclPending>& pool_;
  Event event_;
  PinnedMemory memory_;
  Call call_{""};
  std::span<std::byte> result_;
  const std::byte* from_ = nullptr;
  Transport::Start others_;  // null: all ranks have started this call
  bool complete_ = false;
};

class NcclTransport final : public Transport {
 public:
  // Takes over `handle`.
  NcclTransport(std::unique_ptr<Transport> host, ncclComm_t handle, int device, double deadline,
                std::shared_ptr<std::int64_t> step)
      : host_(std::move(host)),
        group_{*host_, NcclComm(handle), device, deadline, std::move(step), new_stream()} {
    // The first messages between ranks connect them, for which NCCL waits; here all are there.
    std::vector<std::byte> out(static_cast<std::size_t>(size())), in(out.size());
    start_all_to_all(out, in, {"connect"})->wait();
  }
  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;

  // An error may have left calls behind that other ranks never come to.
  ~NcclTransport() override {
    if (std::uncaught_exceptions() > 0) group_.comm.abort();
  }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }

  Start start_barrier(const Call& call) override { return host_->start_barrier(call); }
  Start start_exchange(std::span<const Message> sends, std::span<const Message> receives,
                       const Call& call) override {
    return host_->start_exchange(sends, receives, call);
  }
  void check(std::size_t bytes, const Call& call) override { host_->check(bytes, call); }
  void at_step(std::int64_t step) override {
    *group_.step = step;
    host_->at_step(step);
  }
  void while_waiting(std::function<void()> action) override {
    host_->while_waiting(std::move(action));
  }
  void abort(int exit_code) override { host_->abort(exit_code); }

  Start start_broadcast(std::span<std::byte> data, const Call& call) override {
    const bool sends = rank() == call.root;
    return start(call, data.size(), [&](NcclPending& pending, std::byte* memory) {
      if (sends) copy(data, memory);
      check_nccl(ncclBroadcast(memory, memory, data.size(), ncclUint8, call.root, comm(), stream()),
                 "ncclBroadcast");
      pending.launched(sends ? std::span<std::byte>() : data, memory);
    });
  }

  Start start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all,
                         const Call& call) override {
    return start(call, all.size(), [&](NcclPending& pending, std::byte* memory) {
      std::byte* own = memory + mine.size() * own_block();
      copy(mine, own);
      check_nccl(ncclAllGather(own, memory, mine.size(), ncclUint8, comm(), stream()),
                 "ncclAllGather");
      pending.launched(all, memory);
    });
  }

  Start start_all_to_all(std::span<const std::byte> out, std::span<std::byte> in,
                         const Call& call) override {
    return start(call, out.size() + in.size(), [&](NcclPending& pending, std::byte* memory) {
      copy(out, memory);
      if (!out.empty()) exchange_blocks(memory, memory + out.size(), out.size());
      pending.launched(in, memory + out.size());
    });
  }

  Start start_unordered_all_reduce(std::span<float> values, const Call& call) override {
    const auto bytes = std::as_writable_bytes(values);
    return start(call, bytes.size(), [&](NcclPending& pending, std::byte* memory) {
      copy(bytes, memory);
      check_nccl(
          ncclAllReduce(memory, memory, values.size(), ncclFloat32, ncclSum, comm(), stream()),
          "ncclAllReduce");
      pending.launched(bytes, memory);
    });
  }

  Start start_unordered_reduce_scatter(std::span<float> values, const Call& call) override {
    const auto bytes = std::as_writable_bytes(values);
    const std::size_t each = values.size() / static_cast<std::size_t>(size());
    return start(call, bytes.size(), [&](NcclPending& pending, std::byte* memory) {
      copy(bytes, memory);
      std::byte* own = memory + each * sizeof(float) * own_block();
      check_nccl(ncclReduceScatter(memory, own, each, ncclFloat32, ncclSum, comm(), stream()),
                 "ncclReduceScatter");
      pending.launched(bytes.first(each * sizeof(float)), own);
    });
  }

  // The split of NCCL has no deadline; that of the host before it has.
  std::unique_ptr<Transport> group(const std::string& name, int color) override {
    group_.require_alive({"group"});
    std::unique_ptr<Transport> part = host_->group(name, color);
    const Alarm alarm = alarm_of_ranks(
        fmt::format("ncclCommSplit of group {} on rank {} of {}", name, rank(), size()),
        group_.deadline_seconds);
    ncclComm_t handle = nullptr;
    check_nccl(ncclCommSplit(comm(), color, rank(), &handle, nullptr), "ncclCommSplit");
    return std::make_unique<NcclTransport>(std::move(part), handle, group_.device,
                                           group_.deadline_seconds, group_.step);
  }

 private:
  ncclComm_t comm() const { return group_.comm.get(); }
  cudaStream_t stream() const { return group_.stream.get(); }
  std::size_t own_block() const { return static_cast<std::size_t>(rank()); }

  template <class Launch>
  Start start(const Call& call, std::size_t bytes, Launch&& launch) {
    NcclPending& pending = pool_.take(group_, pool_);
    Start started(&pending);
    launch(pending, pending.begin(call, bytes));
    return started;
  }

  // One call of the device, in which all messages move together.
  void exchange_blocks(const std::byte* out, std::byte* in, std::size_t bytes) {
    const std::size_t each = bytes / static_cast<std::size_t>(size());
    check_nccl(ncclGroupStart(), "ncclGroupStart");
    for (int peer = 0; peer < size(); ++peer) {
      const std::size_t at = each * static_cast<std::size_t>(peer);
      check_nccl(ncclSend(out + at, each, ncclUint8, peer, comm(), stream()), "ncclSend");
      check_nccl(ncclRecv(in + at, each, ncclUint8, peer, comm(), stream()), "ncclRecv");
    }
    check_nccl(ncclGroupEnd(), "ncclGroupEnd");
  }

  std::unique_ptr<Transport> host_;
  Group group_;
  Pool<NcclPending> pool_;
};

}  // namespace

int visible_gpus() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::unique_ptr<Transport> make_nccl_transport(std::unique_ptr<Transport> host, int device,
                                               const Options& options) {
  // All algorithms connect at once: in the first call that uses one it would wait for the others,
  // which a start_ function must not.
  setenv("NCCL_RUNTIME_CONNECT", "0", 0);
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  ncclUniqueId id{};
  if (host->rank() == 0) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
  Request(*host, host->start_broadcast(std::as_writable_bytes(std::span(&id, 1)), {"nccl id"}))
      .wait();
  const Alarm alarm =
      alarm_of_ranks(fmt::format("ncclCommInitRank on rank {} of {}", host->rank(), host->size()),
                     options.deadline_seconds);
  ncclComm_t handle = nullptr;
  check_nccl(ncclCommInitRank(&handle, host->size(), id, host->rank()), "ncclCommInitRank");
  return std::make_unique<NcclTransport>(std::move(host), handle, device, options.deadline_seconds,
                                         std::make_shared<std::int64_t>(0));
}

}  // namespace isoflop::comm
