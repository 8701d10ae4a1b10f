// Whole training steps against those of PyTorch (golden.py): the judge of what the step loop adds
// to the kernels, each of which has golden tensors of its own: gradients through the whole model,
// the norm and its clipping, which tensors decay, the schedule.
#include <gtest/gtest.h>

#include <algorithm>

#include "hdf5/attributes.hpp"
#include "tests/harness/golden_file.hpp"
#include "tests/unit/train/small_run.hpp"

namespace isoflop::train {
namespace {

constexpr std::int64_t kContext = 12, kVocabulary = 19;

/// The sequences of the file, in order.
class StoredTokens : public data::TokenSource {
 public:
  explicit StoredTokens(const std::string& model)
      : tokens_(test::golden_integers(ISOFLOP_GOLDEN, model + "/tokens")) {}

  std::int64_t vocabulary() const override { return kVocabulary; }
  std::int64_t context() const override { return kContext; }
  const std::string& fingerprint() const override { return fingerprint_; }
  void sequence(std::uint64_t g, std::span<std::int32_t> tokens) const override {
    std::copy_n(tokens_.begin() + static_cast<std::ptrdiff_t>(g * tokens.size()), tokens.size(),
                tokens.begin());
  }
  std::int64_t validation_sequences() const override { return 1; }
  void validation_sequence(std::int64_t i, std::span<std::int32_t> tokens) const override {
    sequence(static_cast<std::uint64_t>(i), tokens);
  }
  double validation_bytes_per_token() const override { return 1.0; }
  std::int64_t unique_tokens(std::int64_t tokens) const override { return tokens; }

 private:
  std::vector<std::int32_t> tokens_;
  std::string fingerprint_ = "golden";
};

class GoldenSteps : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenSteps, EqualThoseOfPyTorch) {
  const std::string model = GetParam();
  const hdf5::Attributes attributes =
      hdf5::read_attributes(hdf5::File::open(ISOFLOP_GOLDEN, hdf5::Access::read), model);
  config::RunConfig config =
      test::run_from(hdf5::get<std::string>(attributes, "run", model).c_str(), {});
  const StoredTokens source(model);
  comm::World world;
  comm::Communicator communicator = world.communicator();
  config::resolve(config, kVocabulary, source.fingerprint());
  const std::unique_ptr<Trainer> trainer = make_trainer(config, source, communicator);
  for (const model::Parameter& parameter : trainer->table().parameters()) {
    const std::vector<float> before =
        test::golden_values(ISOFLOP_GOLDEN, model + "/before/" + parameter.name);
    const std::span<float> weights = weights_of(*trainer, parameter);
    ASSERT_EQ(weights.size(), before.size()) << parameter.name;
    std::ranges::copy(before, weights.begin());
  }
  trainer->restore(0);

  const std::vector<float> losses = test::golden_values(ISOFLOP_GOLDEN, model + "/losses");
  const std::vector<float> norms = test::golden_values(ISOFLOP_GOLDEN, model + "/norms");
  for (std::size_t step = 0; step < losses.size(); ++step) {
    const StepResult result = trainer->step();
    EXPECT_NEAR(result.loss, losses[step], 1e-5 * losses[step]);
    EXPECT_NEAR(result.gradient_norm, norms[step], 1e-5 * norms[step]);
    EXPECT_GT(norms[step], config.optimizer.clip_norm);
  }
  for (const model::Parameter& parameter : trainer->table().parameters())
    test::expect_near(weights_of(*trainer, parameter), ISOFLOP_GOLDEN,
                      model + "/after/" + parameter.name, 1e-5);
}
INSTANTIATE_TEST_SUITE_P(Models, GoldenSteps, ::testing::Values("plain", "other"));

}  // namespace
}  // namespace isoflop::train
