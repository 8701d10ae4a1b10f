// How often intervals for larger runs hold what they claim, and how wide they are.
//
// Every family of tests/unit/laws/families.hpp, several seeds each: a fit of the ensemble to the
// points up to 1e19 FLOP, its 80% intervals for twelve runs of 3 to 100 times as much compute, and
// beside them the plain interval: chinchilla, draws by pairs, scatter of the residuals. With
// ISOFLOP_EPOCH_DATA the public points above 1e20 and 1e21 FLOP too. A table for
// docs/laws/intervals.md.
//   build/release/bin/coverage_benchmark [SEEDS] [NAME]...   default 20 seeds, all rows; else those
//                                                            whose name has one of the parts
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <span>
#include <string_view>

#include "../unit/laws/families.hpp"
#include "core/random.hpp"
#include "laws/bootstrap.hpp"
#include "laws/csv.hpp"
#include "laws/predict.hpp"
#include "laws/resample.hpp"
#include "laws/robust_fit.hpp"

namespace isoflop::laws {
namespace {

constexpr double kLevel = 0.8;

struct Count {
  double inside = 0;
  std::vector<double> widths;  // high / low - 1

  void add(double measured, double low, double high) {
    inside += measured >= low && measured <= high;
    widths.push_back(high / low - 1);
  }
  double coverage() const { return inside / static_cast<double>(widths.size()); }
  double width() const {
    std::vector<double> sorted = widths;
    std::sort(sorted.begin(), sorted.end());
    return quantile(sorted, 0.5);
  }
};

/// Quantiles of the losses of chinchilla's draws by pairs, each with a residual's scatter; the law
/// is found as the ensemble finds it, from few starts.
void count_plain(const Points& fitted, const Points& held_out, Count& count) {
  const FitOptions options = {.law = "chinchilla", .bootstrap = 200};
  const Points prepared = prepare(fitted);
  const Contender contender = choose_contenders(prepared, options).front();
  const Law& law = *contender.law;
  const Stage stage = *search_and_roll(contender, prepared, {}, options.huber_delta, Starts::few)
                           .rollout.stages.back();
  const Draws draws =
      draw_again(prepared, law, law.rows(prepared, contender.variables), options, stage.theta);
  synthetic::Normal normal(1, 1);
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    std::vector<double> losses;
    for (const std::vector<double>& row : draws.rows)
      losses.push_back(synthetic::loss(law, row, {held_out.params[i], held_out.tokens[i]}) *
                       std::exp(stage.residual_rms * normal.next()));
    std::sort(losses.begin(), losses.end());
    count.add(held_out.loss[i], quantile(losses, 0.1), quantile(losses, 0.9));
  }
}

void count_both(const Points& fitted, const Points& held_out, Count& ours, Count& plain) {
  const Fit ensemble = fit(fitted, {.law = std::string(kEnsemble), .bootstrap = 0});
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    const Interval interval =
        *predict(ensemble, held_out.params[i], held_out.tokens[i], kLevel).interval;
    ours.add(held_out.loss[i], interval.low, interval.high);
  }
  count_plain(fitted, held_out, plain);
}

bool is_asked_for(const std::string& name, std::span<char*> parts) {
  return parts.empty() || std::ranges::any_of(parts, [&](const char* part) {
           return name.find(part) != std::string::npos;
         });
}

void print_row(const std::string& name, bool tuned, const Count& ours, const Count& plain) {
  const auto note = ours.coverage() < 0.65 || ours.coverage() > 0.95 ? "outside" : "";
  fmt::print("| {} | {} | {:.0f}% | {:.2g}% | {:.0f}% | {:.2g}% | {} |\n", name,
             tuned ? "yes" : "no", 100 * ours.coverage(), 100 * ours.width(),
             100 * plain.coverage(), 100 * plain.width(), note);
  std::fflush(stdout);
}

void count_family(const synthetic::Family& family, int seeds) {
  Count ours;
  Count plain;
  for (int seed = 1; seed <= seeds; ++seed) {
    const synthetic::Trial trial = make_trial(family, static_cast<std::uint64_t>(seed));
    count_both(trial.fitted, trial.held_out, ours, plain);
  }
  print_row(family.name, family.tuned, ours, plain);
}

std::string name_of_public(double cut) {
  return fmt::format("public points above {:.0e} FLOP", cut);
}

void count_public(const char* folder, double cut) {
  Points points = read_csv(std::string(folder) + "/svg_extracted_data.csv",
                           {{"params", "Model Size"}, {"flops", "Training FLOP"}});
  points = drop_worst(prepare(points), 5);
  std::vector<std::size_t> below;
  std::vector<std::size_t> above;
  for (std::size_t i = 0; i < points.size(); ++i)
    (points.flops[i] <= cut ? below : above).push_back(i);
  Count ours;
  Count plain;
  count_both(select(points, below), select(points, above), ours, plain);
  print_row(fmt::format("{} ({})", name_of_public(cut), above.size()), true, ours, plain);
}

void count_all(int seeds, std::span<char*> parts) {
  fmt::print("| points | tuned | coverage | width | plain coverage | plain width | |\n");
  fmt::print("|---|---|---|---|---|---|---|\n");
  for (const synthetic::Family& family : synthetic::families())
    if (is_asked_for(family.name, parts)) count_family(family, seeds);
  if (const char* folder = std::getenv("ISOFLOP_EPOCH_DATA"))
    for (const double cut : {1e20, 1e21})
      if (is_asked_for(name_of_public(cut), parts)) count_public(folder, cut);
}

}  // namespace
}  // namespace isoflop::laws

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  int seeds = 20;
  if (argc > 1) {
    const std::string_view text = argv[1];
    std::from_chars(text.data(), text.data() + text.size(), seeds = 0);
    if (seeds < 1) {
      fmt::print(stderr, "seeds: saw '{}', needed a number above 0 before any name\n", text);
      return 2;
    }
  }
  isoflop::laws::count_all(seeds, arguments.subspan(std::min<std::size_t>(2, arguments.size())));
  return 0;
}
