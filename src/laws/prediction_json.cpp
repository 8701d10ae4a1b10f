#include "laws/fit_json.hpp"
#include "laws/json_parts.hpp"

namespace isoflop::laws {
namespace {

Json json_of(const Prediction& prediction) {
  return {{"params", number(prediction.run.params)},
          {"tokens", number(prediction.run.tokens)},
          {"flops", number(prediction.run.flops)},
          {std::string(to_string(prediction.response)), number(prediction.value)},
          {"interval", json_of(prediction.interval)},
          {"extrapolation",
           {{"params", number(prediction.extrapolation.params)},
            {"tokens", number(prediction.extrapolation.tokens)},
            {"flops", number(prediction.extrapolation.flops)}}},
          {"warnings", prediction.warnings}};
}

}  // namespace

std::string to_json(const Prediction& one) { return lines(json_of(one)); }

std::string to_json(const std::vector<Prediction>& predictions) {
  Json list = Json::array();
  for (const Prediction& one : predictions) list.push_back(json_of(one));
  return Json{{"points", list}}.dump(1) + "\n";
}

}  // namespace isoflop::laws
