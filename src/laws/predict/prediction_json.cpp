#include "laws/predict/prediction_json.hpp"

#include <ostream>

#include "laws/json/json_parts.hpp"

namespace isoflop::laws {
namespace {

Json json_of(const Extrapolation& beyond) {
  Json json = {{"params", number(beyond.params)},
               {"tokens", number(beyond.tokens)},
               {"flops", number(beyond.flops)}};
  for (const auto& [variable, factor] : beyond.others)
    json[std::string(to_string(variable))] = number(factor);
  return json;
}

Json json_of(const Prediction& prediction) {
  return {{"params", number(prediction.run.params)},
          {"tokens", number(prediction.run.tokens)},
          {"flops", number(prediction.run.flops)},
          {std::string(to_string(prediction.response)), number(prediction.value)},
          {"interval", json_of(prediction.interval)},
          {"extrapolation", json_of(prediction.extrapolation)},
          {"warnings", prediction.warnings}};
}

}  // namespace

std::string to_json(const Prediction& one) { return lines(json_of(one)); }

void write_members(std::ostream& out, const std::vector<Prediction>& predictions) {
  constexpr std::string_view kIndent = "\n  ";
  out << "\n \"points\": [";
  std::string text;
  for (const Prediction& one : predictions) {
    text += kIndent;
    for (const char c : json_of(one).dump(1)) c == '\n' ? text += kIndent : text += c;
    out << text;
    text.assign(1, ',');
  }
  out << "\n ]\n";
}

}  // namespace isoflop::laws
