// Families of surfaces with their own faults, to count how often intervals hold.
//
// Each gives points of small compute (1e17 to 1e19 FLOP on IsoFLOP budgets, a grid of sizes and
// token counts, or a ladder of sizes) and larger runs (3 to 100 times as much compute) of the same
// law and noise. `tuned`: families that were in view when the method's constants were chosen; the
// others were made afterwards and are only counted.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "laws/fit/fit.hpp"
#include "synthetic.hpp"

namespace isoflop::laws::synthetic {

/// Which runs are made.
enum class Layout {
  budgets,
  grid,      // five sizes by four token counts, up to 2e20 FLOP
  low_half,  // seven sizes by seven token counts, of them the runs below 1e19 FLOP
  ladder     // twelve sizes at 20 tokens a parameter, each trained twice
};

/// How the errors of ln loss are distributed.
enum class Errors {
  normal,
  heavy,  // Student's t of three degrees of freedom
  above   // exponential: no run is better than the surface
};

struct Family {
  std::string name;
  bool tuned = false;
  std::function<double(double params, double tokens)> loss;
  std::function<double(double params, double tokens)> noise;  // standard deviation of ln loss
  double outliers = 0;     // share of fitted points that lie 5% too high
  double size_offset = 0;  // standard deviation of an error that all runs of one size share
  int budgets = 5;         // fitted, from 1e17 to 1e19 FLOP
  int sizes = 7;           // each, within 4 times the optimum
  Layout layout = Layout::budgets;
  double extra_budget = 0;  // FLOP of one budget more
  Errors errors = Errors::normal;
  bool larger_outliers = false;  // among the larger runs too
};

struct Trial {
  Points fitted;
  Points held_out;
};

class Normal {
 public:
  Normal(std::uint64_t seed, std::uint32_t number) : stream_(seed, Purpose::test, number) {}
  double next() {
    const double radius = std::sqrt(-2 * std::log(1 - stream_.next_uniform()));
    return radius * std::cos(6.283185307179586 * stream_.next_uniform());
  }
  double uniform() { return stream_.next_uniform(); }

 private:
  RandomStream stream_;
};

/// Takes a run of params and tokens, the error that its size shares, and whether it is fitted.
template <class Add>
void lay_budgets(const Family& family, Normal& normal, Add&& add) {
  const auto add_run = [&](double flops, double stretch, bool fitted) {
    const double params =
        0.12 * std::sqrt(flops / 6) * stretch;  // 70 tokens a parameter and around
    add(params, flops / (6 * params), family.size_offset * normal.next(), fitted);
  };
  const auto add_budget = [&](double flops) {
    for (int k = 0; k < family.sizes; ++k)
      add_run(flops, std::pow(4.0, 2.0 * k / (family.sizes - 1) - 1), true);
  };
  for (int b = 0; b < family.budgets; ++b)
    add_budget(1e17 * std::pow(100.0, b / (family.budgets - 1.0)));
  if (family.extra_budget > 0) add_budget(family.extra_budget);
  for (const double flops : {3e19, 1e20, 3e20, 1e21})
    for (const double stretch : {0.5, 1.0, 2.0}) add_run(flops, stretch, false);
}

template <class Add>
void lay_grid(Add&& add) {
  for (const double params : {1e7, 3e7, 1e8, 3e8, 1e9})
    for (const double tokens : {1e9, 3e9, 1e10, 3e10}) add(params, tokens, 0.0, true);
  for (const double params : {2e9, 7e9})
    for (const double tokens : {5e10, 1.4e11, 4e11}) add(params, tokens, 0.0, false);
}

template <class Add>
void lay_low_half(Add&& add) {
  for (int i = 0; i < 7; ++i)
    for (int k = 0; k < 7; ++k) {
      const double params = 1e7 * std::pow(2.0, i);
      const double tokens = 5e8 * std::pow(2.0, k);
      if (6 * params * tokens < 1e19) add(params, tokens, 0.0, true);
    }
  for (const double params : {5e8, 2e9})
    for (const double tokens : {1e10, 4e10, 8e10}) add(params, tokens, 0.0, false);
}

template <class Add>
void lay_ladder(Add&& add) {
  for (int i = 0; i < 24; ++i) {
    const double params = 1e7 * std::pow(30.0, (i / 2) / 11.0);
    add(params, 20 * params, 0.0, true);
  }
  for (const double params : {5e8, 7e8, 1e9, 1.5e9, 2e9, 3e9}) add(params, 20 * params, 0.0, false);
}

/// Of standard deviation 1 where errors are normal; of mean 1 where all lie above.
inline double draw_error(Errors errors, Normal& normal) {
  if (errors == Errors::above) return -std::log(1 - normal.uniform());
  const double error = normal.next();
  if (errors == Errors::normal) return error;
  double squares = 0;
  for (int i = 0; i < 3; ++i) squares += std::pow(normal.next(), 2) / 3;
  return error / std::sqrt(squares);
}

inline Trial make_trial(const Family& family, std::uint64_t seed) {
  Normal normal(seed, 0);
  Trial trial;
  const auto add = [&](double params, double tokens, double offset, bool fitted) {
    double error = family.noise(params, tokens) * draw_error(family.errors, normal) + offset;
    const bool may_lie_off = fitted || family.larger_outliers;
    if (may_lie_off && normal.uniform() < family.outliers) error += 0.05;
    Points& points = fitted ? trial.fitted : trial.held_out;
    points.params.push_back(params);
    points.tokens.push_back(tokens);
    points.loss.push_back(family.loss(params, tokens) * std::exp(error));
  };
  switch (family.layout) {
    case Layout::budgets:
      lay_budgets(family, normal, add);
      break;
    case Layout::grid:
      lay_grid(add);
      break;
    case Layout::low_half:
      lay_low_half(add);
      break;
    case Layout::ladder:
      lay_ladder(add);
      break;
  }
  return trial;
}

// ---- surfaces ----------------------------------------------------------------------------------

using Surface = std::function<double(double params, double tokens)>;

inline Surface surface_of(const char* law, std::vector<double> values) {
  return [form = &find_law(law), values = std::move(values)](double params, double tokens) {
    return synthetic::loss(*form, values, {params, tokens});
  };
}

inline Surface hoffmann_surface() { return surface_of("chinchilla", kHoffmann); }
inline Surface epoch_surface() { return surface_of("chinchilla", kEpoch); }
inline Surface kaplan_surface() { return surface_of("kaplan-nd", {6.4e13, 1.8e13, 0.076, 0.103}); }
inline Surface muennighoff_surface() {
  return surface_of("chinchilla", {1.87, 521, 1488, 0.353, 0.353});
}
inline Surface farseer_surface() {
  const Vector values = example_values(find_law("farseer"));
  return surface_of("farseer", {values.begin(), values.begin() + 9});
}

/// The same noise everywhere.
inline Surface even(double sigma) {
  return [sigma](double, double) { return sigma; };
}

inline Family grid_of(const char* name, bool tuned, Surface loss, double sigma) {
  Family family{name, tuned, std::move(loss), even(sigma)};
  family.layout = Layout::grid;
  return family;
}

// ---- families ----------------------------------------------------------------------------------

inline std::vector<Family> first_in_view() {
  const Surface hoffmann = hoffmann_surface();
  const Surface kaplan = kaplan_surface();
  std::vector<Family> list;
  list.push_back({"Hoffmann, 0.5% noise", true, hoffmann, even(0.005)});
  list.push_back({"Kaplan, no floor", true, kaplan, even(0.004)});
  list.push_back({"one outlier in twenty", true, hoffmann, even(0.004), 0.05});
  list.push_back(
      {"small models badly tuned", true,
       [=](double n, double d) { return hoffmann(n, d) * (1 + 0.02 * std::sqrt(1e7 / n)); },
       even(0.004)});
  list.push_back({"exponents change slowly", true,
                  [=](double n, double d) {
                    return hoffmann(n, d) * std::exp(0.002 * std::pow(std::log(n * d / 1e16), 2));
                  },
                  even(0.004)});
  return list;
}

inline std::vector<Family> next_in_view() {
  const Surface hoffmann = hoffmann_surface();
  const Surface epoch = epoch_surface();
  const Surface farseer = farseer_surface();
  std::vector<Family> list;
  list.push_back({"Epoch, 1% noise", true, epoch, even(0.01)});
  list.push_back({"Muennighoff, 0.3% noise", true, muennighoff_surface(), even(0.003)});
  list.push_back({"Farseer's exponents", true, farseer, even(0.004)});
  list.push_back({"power of a sum, with a floor", true,
                  [](double n, double d) {
                    return 1.6 + std::pow(std::pow(3e9 / n, 0.45) + std::pow(4e11 / d, 0.4), 0.7);
                  },
                  even(0.004)});
  list.push_back({"noise falls with size", true, epoch,
                  [](double n, double) { return 0.004 * std::pow(1e8 / n, 0.25); }});
  list.push_back({"every run with its own tuning", true, epoch, even(0.002), 0, 0.006});
  list.push_back({"eighteen points", true, hoffmann, even(0.005), 0, 0, 3, 6});
  list.push_back(
      {"gain that fades above 1e18 FLOP", true,
       [=](double n, double d) { return epoch(n, d) * (1 + 0.004 * std::log1p(6 * n * d / 1e18)); },
       even(0.004)});
  list.push_back({"waves in compute", true,
                  [=](double n, double d) {
                    return epoch(n, d) * (1 + 0.006 * std::sin(1.5 * std::log(6 * n * d)));
                  },
                  even(0.003)});
  return list;
}

inline std::vector<Family> last_in_view() {
  const Surface hoffmann = hoffmann_surface();
  const Surface epoch = epoch_surface();
  const Surface kaplan = kaplan_surface();
  std::vector<Family> list;
  list.push_back({"falls ever faster", true,
                  [=](double n, double d) {
                    return hoffmann(n, d) * std::exp(-0.0012 * std::pow(std::log(n * d / 1e16), 2));
                  },
                  even(0.004)});
  list.push_back({"one outlier in seven", true, epoch, even(0.004), 0.15});
  list.push_back(
      {"gain that fades fast above 3e18 FLOP", true,
       [=](double n, double d) { return epoch(n, d) * (1 + 0.02 * std::log1p(6 * n * d / 3e18)); },
       even(0.004)});
  list.push_back({"twelve budgets of three sizes", true, hoffmann, even(0.005), 0, 0, 12, 3});
  list.push_back({"Kaplan, 2% noise", true, kaplan, even(0.02)});
  list.push_back(grid_of("twenty points of a grid, Hoffmann", true, hoffmann, 0.003));
  list.push_back(grid_of("twenty points of a grid, Epoch", true, epoch, 0.003));
  list.push_back(grid_of("twenty points of a grid, Kaplan", true, kaplan, 0.003));
  return list;
}

/// Surfaces that none of the laws is.
inline std::vector<Family> other_surfaces() {
  const Surface hoffmann = hoffmann_surface();
  const Surface epoch = epoch_surface();
  const Surface farseer = farseer_surface();
  std::vector<Family> list;
  list.push_back(grid_of("twenty points of a grid, Farseer, 1% noise", true, farseer, 0.01));
  list.push_back({"exponent of D breaks at 3e9", true,
                  [](double n, double d) {
                    const double broken = 1.1 * std::pow(d / 3e9, -0.4);
                    return 1.8 + 480 * std::pow(n, -0.35) +
                           broken * std::pow(1 + std::pow(d / 3e9, 2.0), 0.05);
                  },
                  even(0.004)});
  list.push_back({"a term of N and D together", true,
                  [=](double n, double d) {
                    return epoch(n, d) + 60 * std::pow(n, -0.15) * std::pow(d, -0.12);
                  },
                  even(0.004)});
  list.push_back(
      {"long runs of small models gain less", true,
       [=](double n, double d) { return hoffmann(n, d) * (1 + 0.004 * std::log1p(d / n / 100)); },
       even(0.004)});
  list.push_back({"runs whose noise differs tenfold", true, hoffmann, [](double n, double d) {
                    return 0.001 * std::pow(10.0, 0.5 + 0.5 * std::sin(1e3 * std::log(n * d * d)));
                  }});
  return list;
}

/// Runs that are chosen or go astray otherwise.
inline std::vector<Family> other_runs() {
  const Surface hoffmann = hoffmann_surface();
  const Surface epoch = epoch_surface();
  std::vector<Family> list;
  list.push_back({"last budgets 9.4e18 and 1e19 FLOP", true, hoffmann, even(0.005)});
  list.back().extra_budget = 9.4e18;

  list.push_back({"one outlier in seven, larger runs too", true, epoch, even(0.004), 0.15});
  list.back().larger_outliers = true;
  list.push_back({"heavy tails, Hoffmann", true, hoffmann, even(0.004)});
  list.back().errors = Errors::heavy;
  list.push_back({"no run better than the surface, Epoch", true, epoch, even(0.006)});
  list.back().errors = Errors::above;
  list.push_back({"ladder at 20 tokens a parameter", true, epoch, even(0.004)});
  list.back().layout = Layout::ladder;
  list.push_back({"runs below 1e19 FLOP of a wide grid, Muennighoff", true, muennighoff_surface(),
                  even(0.005)});
  list.back().layout = Layout::low_half;
  return list;
}

/// Made when the rule was final.
inline std::vector<Family> last_made() {
  const Surface hoffmann = hoffmann_surface();
  const Surface epoch = epoch_surface();
  const Vector gadre = example_values(find_law("over-training"));
  std::vector<Family> list;
  list.push_back({"over-training, 0.4% noise", false,
                  surface_of("over-training", {gadre.begin(), gadre.begin() + 4}), even(0.004)});
  list.push_back({"Hoffmann, 2% noise", false, hoffmann, even(0.02)});
  list.push_back({"two powers of N", false,
                  [=](double n, double d) { return epoch(n, d) + 5 * std::pow(n, -0.1); },
                  even(0.004)});
  list.push_back({"one learning rate for all sizes", false,
                  [=](double n, double d) {
                    return hoffmann(n, d) * (1 + 0.001 * std::pow(std::log(n / 1e8), 2));
                  },
                  even(0.004)});
  list.push_back({"short runs badly warmed up", false,
                  [=](double n, double d) { return epoch(n, d) * (1 + 0.01 * std::sqrt(1e9 / d)); },
                  even(0.004)});
  list.push_back({"four budgets of five sizes", false, epoch, even(0.006), 0, 0, 4, 5});
  return list;
}

inline std::vector<Family> families() {
  std::vector<Family> all;
  for (const auto group :
       {first_in_view, next_in_view, last_in_view, other_surfaces, other_runs, last_made}) {
    for (Family& family : group()) all.push_back(std::move(family));
  }
  return all;
}

}  // namespace isoflop::laws::synthetic
