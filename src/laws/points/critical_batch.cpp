#include "laws/points/critical_batch.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

double positive_number(std::string_view text, std::string_view whole) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(
      error == std::errc() && end == text.data() + text.size() && std::isfinite(value) && value > 0,
      "critical-batch: saw '{}', needed B*,aB: two numbers above 0, for example 2.1e8,0.21", whole);
  return value;
}

}  // namespace

double CriticalBatch::at(double loss) const { return scale * std::pow(loss, -1 / exponent); }

CriticalBatch parse_critical_batch(std::string_view text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::string_view rest = text.substr(std::min(comma + 1, text.size()));
  return {positive_number(text.substr(0, comma), text), positive_number(rest, text)};
}

Points at_limiting_batch(Points points, const CriticalBatch& critical) {
  require(!points.batch.empty() && !points.loss.empty(),
          "critical-batch: the points need the columns batch [tokens a step] and loss");
  Conventions& kinds = points.conventions;
  require(kinds.loss.empty() || kinds.loss == "nats",
          "critical-batch: saw losses in {}, Bcrit(L) needs nats a token: add a column "
          "bytes_per_token",
          kinds.loss);
  require(kinds.flops != "cmin",
          "critical-batch: saw flops of kind cmin, needed those that were spent: leave the option "
          "out");
  fill_flops(points);
  for (std::size_t row = 0; row < points.size(); ++row) {
    const double ratio = critical.at(points.loss[row]) / points.batch[row];
    if (!points.steps.empty()) points.steps[row] /= 1 + ratio;
    if (!points.flops.empty()) points.flops[row] /= 1 + 1 / ratio;
  }
  points.notes.push_back(fmt::format(
      "steps are Smin and flops Cmin (of flops {}), with Bcrit = {:g} / L^(1/{:g}) tokens at the "
      "loss reached",
      kinds.flops.empty() ? "of a kind not stated" : kinds.flops, critical.scale,
      critical.exponent));
  if (!points.flops.empty()) kinds.flops = "cmin";
  return points;
}

}  // namespace isoflop::laws
