// How often intervals for larger runs hold what they claim, and how wide they are.
//
// Three tables for docs/laws/intervals.md, several seeds a row:
// 1. Every family of tests/unit/laws/families.hpp: a fit of the ensemble to the points up to 1e19
//    FLOP, its 80% intervals for the larger runs, those of predict() for chinchilla alone, and the
//    plain interval: chinchilla, draws by pairs, scatter of the residuals. With ISOFLOP_EPOCH_DATA
//    the public points above 1e20 and 1e21 FLOP too.
// 2. Laws of one variable and of tasks on points of their own and of other laws.
// 3. The best size N* of 3, 10, 30 and 100 times the largest fitted compute by optimal(), of the
//    ensemble, chinchilla and approach 2, and the loss of a run of it by approach 2.
//   build/release/bin/coverage_benchmark [SEEDS] [NAME]...
// SEEDS: 20 (from 1 on; the default) or 21-80. NAME: only rows whose name has one of the parts.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "../unit/laws/families.hpp"
#include "core/error.hpp"
#include "core/random.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/resample.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/plan/optimal.hpp"
#include "laws/points/csv.hpp"
#include "laws/predict/predict.hpp"

namespace isoflop::laws {
namespace {

constexpr double kLevel = 0.8;

struct Seeds {
  int first = 1;
  int last = 20;
};

struct Count {
  double inside = 0;
  std::vector<double> widths;  // high / low - 1

  void add(double measured, double low, double high) {
    inside += measured >= low && measured <= high;
    widths.push_back(high / low - 1);
  }
  /// No interval at all.
  void miss() { widths.push_back(std::numeric_limits<double>::infinity()); }
  double coverage() const { return inside / static_cast<double>(widths.size()); }
  double width() const {
    std::vector<double> sorted = widths;
    std::sort(sorted.begin(), sorted.end());
    return quantile(sorted, 0.5);
  }
};

/// Of all residuals, of runs gone wrong too.
double scatter_of(const Points& fitted, const Law& law, const Vector& values) {
  const std::vector<double> row(values.begin(), values.end());
  double squares = 0;
  for (std::size_t i = 0; i < fitted.size(); ++i)
    squares += std::pow(
        std::log(fitted.loss[i] / synthetic::loss(law, row, {fitted.params[i], fitted.tokens[i]})),
        2);
  return std::sqrt(squares / static_cast<double>(fitted.size() - law.free_parameters()));
}

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
  const double scatter = scatter_of(prepared, law, law.values(stage.theta));
  synthetic::Normal normal(1, 1);
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    std::vector<double> losses;
    for (const std::vector<double>& row : draws.rows)
      losses.push_back(synthetic::loss(law, row, {held_out.params[i], held_out.tokens[i]}) *
                       std::exp(scatter * normal.next()));
    std::sort(losses.begin(), losses.end());
    count.add(held_out.loss[i], quantile(losses, 0.1), quantile(losses, 0.9));
  }
}

/// Of one row.
struct Counts {
  Count ensemble, chinchilla, plain;
};

void count_all_ways(const Points& fitted, const Points& held_out, Counts& counts) {
  const auto count_law = [&](std::string_view law, Count& count) {
    const Fit result = fit(fitted, {.law = std::string(law), .bootstrap = 0});
    for (std::size_t i = 0; i < held_out.size(); ++i) {
      const Interval interval =
          *predict(result, held_out.params[i], held_out.tokens[i], kLevel).interval;
      count.add(held_out.loss[i], interval.low, interval.high);
    }
  };
  count_law(kEnsemble, counts.ensemble);
  count_law("chinchilla", counts.chinchilla);
  count_plain(fitted, held_out, counts.plain);
}

bool is_asked_for(const std::string& name, std::span<char*> parts) {
  return parts.empty() || std::ranges::any_of(parts, [&](const char* part) {
           return name.find(part) != std::string::npos;
         });
}

std::string cell_of(const Count& count) {
  if (count.widths.empty()) return "- | -";
  const bool outside = count.coverage() < 0.65 || count.coverage() > 0.95;
  return fmt::format("{}{:.0f}%{} | {:.2g}%", outside ? "**" : "", 100 * count.coverage(),
                     outside ? "**" : "", 100 * count.width());
}

void print_row(const std::string& name, bool tuned, const Counts& counts) {
  fmt::print("| {} | {} | {} | {} | {} |\n", name, tuned ? "yes" : "no", cell_of(counts.ensemble),
             cell_of(counts.chinchilla), cell_of(counts.plain));
  std::fflush(stdout);
}

void count_family(const synthetic::Family& family, const Seeds& seeds) {
  Counts counts;
  for (int seed = seeds.first; seed <= seeds.last; ++seed) {
    const synthetic::Trial trial = make_trial(family, static_cast<std::uint64_t>(seed));
    count_all_ways(trial.fitted, trial.held_out, counts);
  }
  print_row(family.name, family.tuned, counts);
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
  Counts counts;
  count_all_ways(select(points, below), select(points, above), counts);
  print_row(fmt::format("{} ({})", name_of_public(cut), above.size()), true, counts);
}

/// Twenty-four points at twelve places of one variable, and six places beyond.
struct Line {
  std::string name;
  const char* law;
  Variable variable;
  Range fitted;
  double furthest;  // of the held-out points
  double noise;     // standard deviation on the law's scale
  std::function<double(double)> truth;
};

std::vector<Line> lines_of_losses() {
  const auto power = [](double floor, double scale, double exponent) {
    return [=](double x) { return floor + scale * std::pow(x, -exponent); };
  };
  const auto kaplan = power(0, std::pow(8.8e13, 0.076), 0.076);
  const auto by_tokens = power(0, std::pow(5.4e13, 0.095), 0.095);
  const auto with_floor = power(1.7, 400, 0.34);
  const auto broken = [=](double n) { return with_floor(n) * std::pow(1 + n / 1e8, -0.01); };
  constexpr double kNoise = 0.004;
  const auto by_params = [&](const char* name, const char* law, const auto& truth) {
    return Line{name, law, Variable::params, {1e6, 1e9}, 3e10, kNoise, truth};
  };
  return {by_params("kaplan-n on its own law", "kaplan-n", kaplan),
          by_params("kaplan-n on a law with a floor", "kaplan-n", with_floor),
          {"kaplan-d on its own law",
           "kaplan-d",
           Variable::tokens,
           {1e8, 1e11},
           3e12,
           kNoise,
           by_tokens},
          by_params("power-offset by params on its own law", "power-offset", with_floor),
          by_params("power-offset by params, exponent breaks at 1e8", "power-offset", broken),
          by_params("ensemble of one variable, exponent breaks at 1e8", "ensemble", broken)};
}

std::vector<Line> lines_of_tasks() {
  const auto sigmoid = [](double loss) { return 0.25 + 0.7 / (1 + std::exp(6 * (loss - 0.7))); };
  const auto of_square = [=](double loss) { return sigmoid(loss * loss / 0.7); };
  const auto both = [](double l) { return 0.85 - 2.08 * std::exp(-0.756 * l); };
  const auto straight = [](double l) { return 0.25 + 0.12 * l; };
  const auto accuracy = [](const char* name, const auto& truth) {
    return Line{name, "accuracy-sigmoid", Variable::task_loss, {0.6, 1.2}, 0.4, 0.01, truth};
  };
  const auto error = [](const char* name, const auto& truth) {
    return Line{name, "error-exponential", Variable::loss, {2.2, 4}, 1.8, 0.005, truth};
  };
  return {accuracy("accuracy-sigmoid on its own law", sigmoid),
          accuracy("accuracy-sigmoid on a sigmoid of the square", of_square),
          error("error-exponential on its own law", both),
          error("error-exponential on a straight line", straight)};
}

/// In the logarithm between the ends of `range`.
double place(const Range& range, double share) {
  return range.low * std::pow(range.high / range.low, share);
}

void count_line(const Line& line, const Seeds& seeds) {
  const bool ensemble = line.law == kEnsemble;
  const Law& law = find_law(ensemble ? "power" : line.law);
  Count count;
  for (int seed = seeds.first; seed <= seeds.last; ++seed) {
    synthetic::Normal normal(static_cast<std::uint64_t>(seed), 0);
    const auto measure = [&](double x) {
      return law.from_scale(law.to_scale(line.truth(x)) + line.noise * normal.next());
    };
    Points points;
    for (int i = 0; i < 24; ++i) {
      quantity(points, line.variable).push_back(place(line.fitted, (i / 2) / 11.0));
      quantity(points, law.response).push_back(measure(quantity(points, line.variable).back()));
      if (ensemble) points.tokens.push_back(1e12);
    }
    const std::string variable =
        law.any_variable && !ensemble ? std::string(to_string(line.variable)) : "";
    const Fit result = fit(points, {.law = line.law, .variable = variable, .bootstrap = 0});
    const bool falls = line.furthest < line.fitted.low;
    const Range beyond = {falls ? line.fitted.low : line.fitted.high, line.furthest};
    for (int i = 1; i <= 6; ++i) {
      RunSize run;
      quantity(run, line.variable) = place(beyond, i / 6.0);
      if (ensemble) run.tokens = 1e12;
      const Interval interval = *predict(result, run, kLevel).interval;
      count.add(measure(*quantity(run, line.variable)), interval.low, interval.high);
    }
  }
  fmt::print("| {} | {} |\n", line.name, cell_of(count));
  std::fflush(stdout);
}

/// ln N of the lowest loss for C = 6 N D, within 30 times the sizes around which the runs lie: far
/// out a surface may fall again.
double true_best(const synthetic::Family& family, double flops) {
  const double middle = std::log(0.12 * std::sqrt(flops / 6));
  double low = middle - std::log(30.0);
  double high = middle + std::log(30.0);
  const auto loss = [&](double log_params) {
    const double params = std::exp(log_params);
    return family.loss(params, flops / (6 * params));
  };
  for (int step = 0; step < 200; ++step) {
    const double third = (high - low) / 3;
    if (loss(low + third) < loss(high - third))
      high -= third;
    else
      low += third;
  }
  return 0.5 * (low + high);
}

/// Empty for a fit of which the best run of a budget lies at an end.
std::optional<Optimum> best_of(const Fit& fit, double flops) {
  try {
    return optimal(fit, flops, kLevel);
  } catch (const InputError&) {
    return std::nullopt;
  }
}

void count_best_sizes(synthetic::Family family, const Seeds& seeds) {
  family.budgets = 7;
  Count ensemble, chinchilla, approach2, loss;
  for (int seed = seeds.first; seed <= seeds.last; ++seed) {
    const Points points = make_trial(family, static_cast<std::uint64_t>(seed)).fitted;
    const auto count_fit = [&](FitOptions options, Count& count, Count* losses) {
      options.bootstrap = 100;
      const Fit result = fit(points, options);
      synthetic::Normal normal(static_cast<std::uint64_t>(seed), 2);
      for (const double flops : {3e19, 1e20, 3e20, 1e21}) {
        const auto best = best_of(result, flops);
        const double params = std::exp(true_best(family, flops));
        if (!best) {
          count.miss();
          if (losses != nullptr) losses->miss();
          continue;
        }
        count.add(params, best->params_interval->low, best->params_interval->high);
        if (losses == nullptr) continue;
        const double tokens = flops / (6 * params);
        const double measured =
            family.loss(params, tokens) * std::exp(family.noise(params, tokens) * normal.next());
        losses->add(measured, best->prediction.interval->low, best->prediction.interval->high);
      }
    };
    count_fit({.law = std::string(kEnsemble)}, ensemble, nullptr);
    count_fit({.law = "chinchilla"}, chinchilla, nullptr);
    count_fit({.law = "chinchilla", .method = "approach2"}, approach2, &loss);
  }
  fmt::print("| {} | {} | {} | {} | {} |\n", family.name, cell_of(ensemble), cell_of(chinchilla),
             cell_of(approach2), cell_of(loss));
  std::fflush(stdout);
}

void count_planning(const Seeds& seeds, std::span<char*> parts) {
  fmt::print(
      "\n| points | ensemble: N* | width | chinchilla: N* | width | approach 2: N* | width | its "
      "loss | width |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const char* name :
       {"Hoffmann, 0.5% noise", "Kaplan, no floor", "exponents change slowly", "Epoch, 1% noise",
        "Farseer's exponents", "small models badly tuned", "exponent of D breaks at 3e9"})
    for (const synthetic::Family& family : synthetic::families())
      if (family.name == name && is_asked_for("N*: " + family.name, parts))
        count_best_sizes(family, seeds);
}

void count_all(const Seeds& seeds, std::span<char*> parts) {
  fmt::print("| points | tuned | coverage | width | chinchilla | width | plain | width |\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  for (const synthetic::Family& family : synthetic::families())
    if (is_asked_for(family.name, parts)) count_family(family, seeds);
  if (const char* folder = std::getenv("ISOFLOP_EPOCH_DATA"))
    for (const double cut : {1e20, 1e21})
      if (is_asked_for(name_of_public(cut), parts)) count_public(folder, cut);
  fmt::print("\n| law and points | coverage | width |\n|---|---|---|\n");
  for (const auto& lines : {lines_of_losses(), lines_of_tasks()})
    for (const Line& line : lines)
      if (is_asked_for(line.name, parts)) count_line(line, seeds);
  count_planning(seeds, parts);
}

/// Of "20" or "21-80"; none where `last` is below `first`, or the text is anything else.
Seeds seeds_of(std::string_view text) {
  Seeds seeds = {1, 0};
  const char* at = text.data();
  const char* end = at + text.size();
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (std::from_chars(at, end, seeds.first).ptr != at + dash) return {1, 0};
    at += dash + 1;
  }
  return std::from_chars(at, end, seeds.last).ptr == end ? seeds : Seeds{1, 0};
}

}  // namespace
}  // namespace isoflop::laws

int main(int argc, char** argv) {
  using namespace isoflop::laws;
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  const Seeds seeds = argc > 1 ? seeds_of(argv[1]) : Seeds{};
  if (seeds.first < 1 || seeds.last < seeds.first) {
    fmt::print(stderr, "seeds: saw '{}', needed 20 or 21-80 before any name\n", argv[1]);
    return 2;
  }
  count_all(seeds, arguments.subspan(std::min<std::size_t>(2, arguments.size())));
}
