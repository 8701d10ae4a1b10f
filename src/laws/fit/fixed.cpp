#include "laws/fit/fixed.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "laws/points/csv_rows.hpp"

namespace isoflop::laws {
namespace {

class FixedLaw final : public Law {
 public:
  explicit FixedLaw(const Law& law) : Law(law), law_(law) {}

  void fix(std::size_t position, double coordinate) {
    parameters[position].lower = parameters[position].upper = coordinate;
  }

  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override {
    const double value = law_.evaluate(x, theta, gradient, hessian);
    if (gradient == nullptr) return value;
    for (std::size_t i = 0; i < size(); ++i) {
      if (!parameters[i].is_fixed()) continue;
      gradient[i] = 0;
      if (hessian == nullptr) continue;
      for (std::size_t k = 0; k < size(); ++k)
        hessian[std::max(i, k) * kMaxParameters + std::min(i, k)] = 0;
    }
    return value;
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    return placed(law_.starts(samples));
  }
  std::vector<Vector> projected_starts(const Samples& samples) const override {
    return placed(law_.projected_starts(samples));
  }
  Vector values(const Vector& theta) const override { return law_.values(theta); }
  Vector coordinates(const Vector& values) const override { return law_.coordinates(values); }
  std::vector<Variable> columns() const override { return law_.columns(); }
  Samples rows(const Points& prepared, std::span<const Variable> read) const override {
    return law_.rows(prepared, read);
  }
  std::vector<NamedValue> derived(const Vector& values) const override {
    return law_.derived(values);
  }
  std::optional<Allocation> optimum(const Vector& values, double flops) const override {
    return law_.optimum(values, flops);
  }

 private:
  /// The starts where the parameters are fixed, each once, in the order given: the best may come
  /// first.
  std::vector<Vector> placed(std::vector<Vector> starts) const {
    std::vector<Vector> different;
    std::set<Vector> seen;
    for (Vector& start : starts) {
      for (std::size_t i = 0; i < size(); ++i)
        if (parameters[i].is_fixed()) start[i] = parameters[i].lower;
      if (seen.insert(start).second) different.push_back(start);
    }
    return different;
  }

  const Law& law_;
};

std::size_t position_of(const Law& law, const std::string& name) {
  std::vector<std::string> known;
  for (std::size_t i = 0; i < law.size(); ++i) {
    if (law.parameters[i].name == name) return i;
    known.emplace_back(law.parameters[i].name);
  }
  throw InputError(fmt::format("fix: law {} has no parameter '{}', did you mean '{}'? It has {}",
                               law.name, name, nearest(name, known), fmt::join(known, ", ")));
}

/// Whether the value at `position` follows from the coordinate there alone.
bool stands_alone(const Law& law, std::size_t position) {
  const Vector theta = law.coordinates(example_values(law));
  const double value = law.values(theta)[position];
  for (std::size_t i = 0; i < law.size(); ++i) {
    if (i == position) continue;
    Vector moved = theta;
    moved[i] += 0.01;
    if (law.values(moved)[position] != value) return false;
  }
  return true;
}

double coordinate_of(const Law& law, std::size_t position, double value) {
  const ParameterInfo& parameter = law.parameters[position];
  require(stands_alone(law, position),
          "fix: {} of law {} is not fitted by itself (the fit moves {}): fix another parameter",
          parameter.name, law.name, parameter.coordinate);
  Vector values = example_values(law);
  values[position] = value;
  const double coordinate = law.coordinates(values)[position];
  require(coordinate >= parameter.lower && coordinate <= parameter.upper,
          "fix: saw {} = {:g}, law {} needs {} from {:g} to {:g}", parameter.name, value, law.name,
          parameter.coordinate, parameter.lower, parameter.upper);
  return coordinate;
}

}  // namespace

NamedValue parse_fixed(std::string_view text) {
  const std::size_t equals = text.find('=');
  const auto value = equals == std::string_view::npos
                         ? std::nullopt
                         : to_number(std::string(text.substr(equals + 1)));
  require(value.has_value() && std::isfinite(*value) && equals > 0,
          "fix: saw '{}', needed NAME=VALUE, for example E=1.8", text);
  return {std::string(text.substr(0, equals)), *value};
}

std::unique_ptr<const Law> fix_parameters(const Law& law, std::span<const NamedValue> fixed) {
  auto result = std::make_unique<FixedLaw>(law);
  for (const NamedValue& one : fixed) {
    const std::size_t position = position_of(law, one.name);
    require(!result->parameters[position].is_fixed(), "fix: {} is fixed twice: needed one value",
            one.name);
    result->fix(position, coordinate_of(law, position, one.value));
  }
  require(result->free_parameters() > 0,
          "fix: every parameter of law {} is fixed: needed a free "
          "one",
          law.name);
  return result;
}

}  // namespace isoflop::laws
