#include "checkpoint/together.hpp"

#include <cstdint>
#include <string>

#include "checkpoint/damaged.hpp"
#include "core/error.hpp"

namespace isoflop::checkpoint {
namespace {

enum Outcome : std::int64_t { kGood, kError, kInputError, kDamaged, kOutcomes };

std::string broadcast_text(comm::Communicator& communicator, std::string text, int root) {
  std::size_t length = text.size();
  communicator.broadcast(std::span(&length, 1), root);
  text.resize(length);
  communicator.broadcast(std::span(text.data(), text.size()), root);
  return text;
}

}  // namespace

void together(comm::Communicator& communicator, const std::function<void()>& action) {
  std::int64_t mine = kGood;
  std::string text;
  try {
    action();
  } catch (const Damaged& error) {
    mine = kDamaged;
    text = error.what();
  } catch (const InputError& error) {
    mine = kInputError;
    text = error.what();
  } catch (const std::exception& error) {
    mine = kError;
    text = error.what();
  }
  // The largest value belongs to the lowest rank that failed.
  const std::int64_t from_last = communicator.size() - communicator.rank();
  const std::int64_t worst = communicator.maximum(mine == kGood ? 0 : from_last * kOutcomes + mine);
  if (worst == 0) return;
  const auto root = static_cast<int>(communicator.size() - worst / kOutcomes);
  text = broadcast_text(communicator, text, root);
  if (worst % kOutcomes == kDamaged) throw Damaged(text);
  if (worst % kOutcomes == kInputError) throw InputError(text);
  throw Error(text);
}

}  // namespace isoflop::checkpoint
