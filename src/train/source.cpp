#include "train/source.hpp"

#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "data/mixture.hpp"
#include "data/synthetic.hpp"

namespace isoflop::train {
namespace {

// data.weights in the order of the corpus's sources; one that is not named gets 0.
std::vector<double> weights_in_order(const config::DataConfig& data, const data::Corpus& corpus) {
  if (data.weights.empty()) return {};
  std::vector<std::string> names;
  for (const auto& source : corpus.description().sources) names.push_back(source.name);
  std::map<std::string, double> left = data.weights;
  std::vector<double> weights;
  for (const std::string& name : names) {
    const auto found = left.find(name);
    weights.push_back(found == left.end() ? 0.0 : found->second);
    left.erase(name);
  }
  for (const auto& [name, weight] : left) {
    require(false, "data.weights.{}: {} has no such source; the nearest is \"{}\"", name,
            data.corpus, nearest(name, names));
  }
  return weights;
}

}  // namespace

std::unique_ptr<data::TokenSource> open_source(const config::RunConfig& config) {
  const auto context = static_cast<std::int64_t>(config.model.context);
  const auto seed = static_cast<std::uint64_t>(config.train.seed);
  if (config.data.synthetic) {
    const config::SyntheticConfig& synthetic = *config.data.synthetic;
    return std::make_unique<data::Synthetic>(
        data::SyntheticProcess{"markov", synthetic.order, synthetic.symbols,
                               static_cast<std::uint64_t>(synthetic.seed)},
        context, seed);
  }
  auto corpus = data::Corpus::open(config.data.corpus);
  const std::vector<double> weights = weights_in_order(config.data, *corpus);
  return std::make_unique<data::Mixture>(std::move(corpus), context, seed, weights);
}

}  // namespace isoflop::train
