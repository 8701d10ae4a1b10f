#include "train/split_state.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "core/integers.hpp"
#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::train {
namespace {

using parallel::Extent;

constexpr std::array kKinds = {&OwnedState::parameters, &OwnedState::first_moment,
                               &OwnedState::second_moment};

// Elements `elements` of the buffer, run by run.
void add_runs(const model::Parameter& parameter, const OwnedState& state, const Extent& elements,
              std::vector<OwnedState>& slices) {
  parameter.for_each_run(elements, [&](std::size_t at, std::size_t whole, std::size_t count) {
    const std::size_t begin = parameter.whole_offset + whole;
    OwnedState slice{.elements = {begin, begin + count}};
    for (const auto kind : kKinds)
      if (state.*kind != nullptr) slice.*kind = state.*kind + (at - state.elements.begin);
    slices.push_back(slice);
  });
}

// The rows of a matrix with cut columns that lie in a slice as a whole.
struct CutRows {
  Extent rows;
  std::size_t run;     // elements of a row here
  std::size_t stride;  // elements of the whole row

  // Those that tensor-parallel rank `rank` of `ranks` puts together.
  Extent share(std::size_t ranks, std::size_t rank) const {
    const Extent dealt = parallel::share(rows.size(), ranks, rank);
    return {rows.begin + dealt.begin, rows.begin + dealt.end};
  }
  Extent elements(const model::Parameter& parameter, const Extent& some) const {
    return {parameter.offset + some.begin * run, parameter.offset + some.end * run};
  }
};

CutRows cut_rows(const model::Parameter& parameter, const Extent& slice) {
  const model::Pieces& piece = parameter.pieces.front();
  const std::size_t begin = std::max(slice.begin, parameter.offset);
  const std::size_t end = std::min(slice.end, parameter.offset + parameter.count);
  if (piece.runs == 1 || begin >= end) return {};
  const Extent rows{ceil_div(begin - parameter.offset, piece.run),
                    (end - parameter.offset) / piece.run};
  return {rows.begin < rows.end ? rows : Extent{}, piece.run, piece.stride};
}

struct Room {
  std::size_t rows = 0;
  std::size_t arrived = 0;
};

Room room_for(const model::ParameterTable& table, const std::vector<OwnedState>& held) {
  const auto [ranks, rank] = table.split();
  Room room;
  for (const OwnedState& state : held) {
    for (const model::Parameter& parameter : table.parameters()) {
      const CutRows cut = cut_rows(parameter, state.elements);
      const std::size_t count = cut.share(ranks, rank).size() * cut.stride;
      room.rows += kKinds.size() * count;
      room.arrived = std::max(room.arrived, count);
    }
  }
  return room;
}

// Rank r sends its columns of the rows that rank q puts together to q.
void put_together(const model::Parameter& parameter, const CutRows& cut, const OwnedState& state,
                  const float* values, comm::Communicator& tensor, std::vector<float>& arrived,
                  float* rows) {
  const auto ranks = static_cast<std::size_t>(tensor.size());
  const auto own = static_cast<std::size_t>(tensor.rank());
  const std::size_t count = cut.share(ranks, own).size(), run = cut.run;
  std::vector<comm::Message> sends, receives;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const Extent theirs = cut.elements(parameter, cut.share(ranks, rank));
    const float* from = values + (theirs.begin - state.elements.begin);
    float* to = arrived.data() + rank * count * run;
    if (rank == own) {
      std::copy_n(from, count * run, to);
      continue;
    }
    const int peer = static_cast<int>(rank);
    // Messages are read-only where they are sent.
    sends.push_back(
        {peer, std::as_writable_bytes(std::span(const_cast<float*>(from), theirs.size()))});
    receives.push_back({peer, std::as_writable_bytes(std::span(to, count * run))});
  }
  tensor.exchange(sends, receives);
  for (std::size_t row = 0; row < count; ++row)
    for (std::size_t rank = 0; rank < ranks; ++rank)
      std::copy_n(arrived.data() + (rank * count + row) * run, run,
                  rows + row * cut.stride + rank * run);
}

}  // namespace

std::vector<OwnedState> in_whole_model(const model::ParameterTable& table,
                                       const std::vector<OwnedState>& held) {
  std::vector<OwnedState> slices;
  for (const OwnedState& state : held)
    for (const model::Parameter& parameter : table.parameters())
      add_runs(parameter, state, state.elements, slices);
  return slices;
}

std::vector<OwnedState> WholeRows::gather(const model::ParameterTable& table,
                                          const std::vector<OwnedState>& held,
                                          comm::Communicator& tensor) {
  const Room room = room_for(table, held);
  rows_.resize(room.rows);
  arrived_.resize(room.arrived);
  float* next = rows_.data();
  const auto [ranks, rank] = table.split();
  std::vector<OwnedState> slices;
  for (const OwnedState& state : held) {
    for (const model::Parameter& parameter : table.parameters()) {
      const CutRows cut = cut_rows(parameter, state.elements);
      if (cut.rows.size() == 0) {
        add_runs(parameter, state, state.elements, slices);
        continue;
      }
      const Extent whole = cut.elements(parameter, cut.rows);
      add_runs(parameter, state, {state.elements.begin, whole.begin}, slices);
      const Extent mine = cut.share(ranks, rank);
      const std::size_t first = parameter.whole_offset;
      OwnedState slice{
          .elements = {first + mine.begin * cut.stride, first + mine.end * cut.stride}};
      for (const auto kind : kKinds) {
        slice.*kind = next;
        put_together(parameter, cut, state, state.*kind, tensor, arrived_, next);
        next += slice.elements.size();
      }
      slices.push_back(slice);
      add_runs(parameter, state, {whole.end, state.elements.end}, slices);
    }
  }
  return slices;
}

std::size_t WholeRows::memory_bytes(const model::ParameterTable& table,
                                    const std::vector<OwnedState>& held) {
  const Room room = room_for(table, held);
  return sizeof(float) * (room.rows + room.arrived);
}

}  // namespace isoflop::train
