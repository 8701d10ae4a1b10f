#include "train/spike_guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace isoflop::train {
namespace {

// Bad data comes in short runs; who skips for longer than this skips the training.
constexpr std::int64_t kMostInARow = 32;

constexpr double kLeastDeviation = 1e-6;  // of the mean

constexpr const char* kLosses = "guard_losses";
constexpr const char* kNorms = "guard_norms";
constexpr const char* kInARow = "guard_spikes_in_a_row";
constexpr const char* kSkipped = "guard_skipped_batches";

constexpr std::size_t kDigits = 16;

// Bits in hexadecimal digits: a checkpoint's texts must give the same values back.
std::string text_of(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += hex(std::bit_cast<std::uint64_t>(value));
  return text;
}

std::vector<double> values_of(const std::string& text) {
  std::vector<double> values;
  for (std::size_t at = 0; at < text.size(); at += kDigits)
    values.push_back(std::bit_cast<double>(parse_hex(text.substr(at, kDigits))));
  return values;
}

double z_score(const std::vector<double>& window, double value) {
  if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
  const auto count = static_cast<double>(window.size());
  double sum = 0.0, squares = 0.0;
  for (const double past : window) sum += past;
  const double mean = sum / count;
  for (const double past : window) squares += (past - mean) * (past - mean);
  const double deviation =
      std::max(std::sqrt(squares / (count - 1.0)), kLeastDeviation * std::abs(mean));
  if (deviation > 0.0) return (value - mean) / deviation;
  return value > mean ? std::numeric_limits<double>::infinity() : 0.0;
}

}  // namespace

// Whichever of the two is further out. A full window is needed unless the value is no number.
std::optional<Spike> SpikeGuard::worst(double loss, double norm) const {
  const bool full = losses_.size() == static_cast<std::size_t>(config_.window);
  const auto z_of = [&](const std::vector<double>& window, double value) {
    return full || !std::isfinite(value) ? z_score(window, value) : 0.0;
  };
  const double of_loss = z_of(losses_, loss), of_norm = z_of(norms_, norm);
  if (std::max(of_loss, of_norm) <= config_.z_score) return std::nullopt;
  if (of_loss >= of_norm) return Spike{"loss", loss, of_loss, "", 0};
  return Spike{"gradient norm", norm, of_norm, "", 0};
}

std::optional<Spike> SpikeGuard::judge(std::int64_t step, double loss, double norm) {
  std::optional<Spike> spike = worst(loss, norm);
  if (!spike || !acts()) {
    add(losses_, loss);
    add(norms_, norm);
    if (config_.on_spike == config::OnSpike::skip) in_a_row_ = 0;
    return spike;
  }
  if (++in_a_row_ > kMostInARow) {
    throw CheckFailed(fmt::format(
        "step {}: {} {} (z-score {:.1f}) is spike number {} in a row, more than bad data "
        "makes; lower optimizer.learning_rate or raise guard.z_score",
        step, spike->quantity, spike->value, spike->z_score, in_a_row_));
  }
  return spike;
}

void SpikeGuard::add(std::vector<double>& window, double value) const {
  const auto most = static_cast<std::size_t>(config_.window);
  window.reserve(most);  // once: steps ask for no memory
  if (window.size() == most) window.erase(window.begin());
  window.push_back(value);
}

std::vector<double> SpikeGuard::newest(const std::vector<double>& values) const {
  const auto most = static_cast<std::ptrdiff_t>(config_.window);
  return {values.end() - std::min(most, std::ssize(values)), values.end()};
}

void SpikeGuard::rolled_back(const SpikeGuard& at_spike, std::int64_t step, std::int64_t target) {
  in_a_row_ = at_spike.in_a_row_;
  skipped_batches_ = at_spike.skipped_batches_ + step - target;
}

void SpikeGuard::passed_checkpoint() {
  if (config_.on_spike == config::OnSpike::rollback) in_a_row_ = 0;
}

hdf5::Attributes SpikeGuard::state() const {
  return {{kLosses, text_of(losses_)},
          {kNorms, text_of(norms_)},
          {kInARow, in_a_row_},
          {kSkipped, skipped_batches_}};
}

void SpikeGuard::restore(const hdf5::Attributes& scalars, const std::string& where) {
  if (!acts() && hdf5::find(scalars, kLosses) == nullptr) return;  // older versions left it out
  losses_ = newest(values_of(hdf5::get<std::string>(scalars, kLosses, where)));
  norms_ = newest(values_of(hdf5::get<std::string>(scalars, kNorms, where)));
  in_a_row_ = hdf5::get<std::int64_t>(scalars, kInARow, where);
  skipped_batches_ = hdf5::get<std::int64_t>(scalars, kSkipped, where);
}

}  // namespace isoflop::train
