// Whether any rank has been asked to stop, put to the vote again and again while work goes on. Each
// answer is that of the vote before, so that no rank waits for one that is a little behind.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "comm/communicator.hpp"

namespace isoflop::train {

class StopVote {
 public:
  /// `asked`: whether this rank has been asked to. References must outlive the object.
  StopVote(comm::Communicator& ranks, const std::function<bool()>& asked)
      : ranks_(ranks), asked_(asked) {}

  /// Collective; the same on all ranks.
  bool stops() {
    request_.wait();
    const bool stops = vote_ != 0;
    vote_ = asked_() ? 1 : 0;
    request_ = ranks_.start_all_reduce(std::span(&vote_, 1), comm::Combine::maximum);
    return stops;
  }

 private:
  comm::Communicator& ranks_;
  const std::function<bool()>& asked_;
  std::int64_t vote_ = 0;  // the largest of all ranks' once the request is done
  comm::Request request_;
};

}  // namespace isoflop::train
