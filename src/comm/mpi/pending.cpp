#include "comm/mpi/pending.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "comm/mpi/elements.hpp"
#include "comm/mpi/handles.hpp"
#include "core/error.hpp"

namespace isoflop::comm {

MpiPending::MpiPending(const Group& group, Pool<MpiPending>& pool) : group_(group), pool_(pool) {
  const std::size_t most = 2 * group.members.size();  // of messages, in most calls
  requests_.reserve(most);
  statuses_.reserve(most);
  peers_.reserve(most);
  expected_.reserve(most);
}

void MpiPending::begin(const Call& call, std::int64_t sequence) {
  call_ = call;
  sequence_ = sequence;
  requests_.clear();
  statuses_.clear();
  peers_.clear();
  expected_.clear();
  complete_ = false;
}

bool MpiPending::done() {
  begin_test();
  if (complete_ || group_.watch->failed() || !all_done(requests_, statuses_, call_.name))
    return complete_;
  finish();
  return true;
}

void MpiPending::wait() {
  if (complete_) return;
  begin_test();
  group_.watch->wait(requests_, statuses_,
                     {group_.name, group_.number, sequence_ > 0 ? group_.members : peers_,
                      call_.name, call_.place, sequence_});
  finish();
}

void MpiPending::finish() {
  const auto pending = [](const MPI_Status& s) { return s.MPI_ERROR == MPI_ERR_PENDING; };
  complete_ = std::ranges::none_of(statuses_, pending);
  for (std::size_t i = 0; i < expected_.size(); ++i)
    if (!pending(statuses_[i])) require_fit(i);
}

void MpiPending::require_fit(std::size_t receive) const {
  const MPI_Status& status = statuses_[receive];
  const int needed_tag = tag_of(*call_.type);
  if (status.MPI_TAG != needed_tag && status.MPI_TAG != kUntyped && needed_tag != kUntyped)
    throw Error(fmt::format("{} at {}: rank {} sent elements of {}, needed {}", call_.name,
                            text_of(call_.place), peers_[receive], type_with(status.MPI_TAG),
                            readable(*call_.type)));
  MPI_Count count = 0;
  check_mpi(MPI_Get_elements_x(&status, MPI_BYTE, &count), "MPI_Get_elements_x");
  const auto seen = static_cast<std::size_t>(count);
  const std::size_t needed = expected_[receive];
  const bool longer = is_truncated(status);
  if (seen == needed && !longer) return;
  // Libraries may count of a longer message what there was room for.
  const std::string sent = longer && seen <= needed ? "more" : fmt::format("{} bytes", seen);
  throw Error(fmt::format("{} at {}: rank {} sent {}, needed {} bytes", call_.name,
                          text_of(call_.place), peers_[receive], sent, needed));
}

}  // namespace isoflop::comm
