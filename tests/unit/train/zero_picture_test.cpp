// The pictures of replicas and of ZeRO in docs/parallelism: a step of training of rank 0 of four,
// by the program's own passes, gathers and sums over a transport that only keeps time.
//
//   ISOFLOP_DRAW=1 build/ci/bin/train_zero_picture        draws them anew
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "comm/self/self.hpp"
#include "core/atomic_file.hpp"
#include "core/svg.hpp"
#include "tests/harness/run_from.hpp"
#include "timed_transport.hpp"
#include "train/part.hpp"

namespace isoflop::train {
namespace {

constexpr int kRanks = 4;
// Of time: what a product takes, and the messages of a block.
constexpr double kUnitsAProduct = 1.0, kUnitsABlock = 3.0;

using Pass = model::PartStore<float>::Pass;

/// The rank computes with a part.
struct Work {
  std::size_t part;
  Pass pass;
  double begin, end;
};

/// Hands on what passes ask for, and counts time.
class TimedStore final : public model::PartStore<float> {
 public:
  TimedStore(ModelPart<float>& part, Timeline& time) : part_(part), time_(time) {}

  const float* weights(std::size_t part, Pass pass) override {
    end();
    const float* weights = part_.weights(part, pass);
    work_.push_back({part, pass, time_.now, time_.now});
    return weights;
  }
  const float* head_weights() override { return part_.head_weights(); }
  float* gradient(std::size_t part) override { return part_.gradient(part); }
  void complete(std::size_t part) override {
    end();
    completed_.push_back(part);
    part_.complete(part);
  }
  void after_product() override {
    time_.now += kUnitsAProduct;
    part_.after_product();
  }

  /// Of the work that goes on.
  void end() {
    if (!work_.empty() && work_.back().end == work_.back().begin) work_.back().end = time_.now;
  }

  const std::vector<Work>& work() const { return work_; }
  const std::vector<std::size_t>& completed() const { return completed_; }

 private:
  ModelPart<float>& part_;
  Timeline& time_;
  std::vector<Work> work_;
  std::vector<std::size_t> completed_;  // parts, in order
};

config::RunConfig run_with(int zero) {
  config::RunConfig config = test::run_from(
      "[model]\nlayers = 4\nwidth = 96\nheads = 2\ncontext = 16\n"
      "[data]\nkind = \"markov\"\nsymbols = 256\n"
      "[train]\ntokens = 64\nglobal_batch = 4\nmicro_batch = 1\nprecision = \"fp32\"\n",
      {fmt::format("parallel.zero={}", zero)});
  config::resolve(config, 256, "none");
  return config;
}

/// One step of rank 0, as WholeModel and Trainer make it; with ZeRO 1 the next forward pass too,
/// under which weights are gathered.
class Step {
 public:
  explicit Step(int zero)
      : config_(run_with(zero)),
        table_(config_.model),
        replicas_(std::make_unique<TimedTransport>(time_, kRanks)),
        tensor_(comm::make_self_transport()),
        part_(config_, table_, {0, table_.parts().size()}, replicas_, tensor_, profile_),
        store_(part_, time_) {
    begin_anew(zero);
    time_.bytes_a_unit = static_cast<double>(table_.parts()[1].size() * sizeof(float)) *
                         (kRanks - 1) / kRanks / kUnitsABlock;
    std::size_t index = 0;
    for (const OwnedState& owned : part_.owned_state()) part_of_[owned.parameters] = index++;
    model::Transformer<float> model(config_.model, model::whole_model(config_.model), {.batch = 1},
                                    model::Mode::training, profile_);
    const std::vector<std::int32_t> tokens(config_.model.context);
    part_.begin_turn(0);
    part_.begin_last_pass();
    model.train_batch(store_, tokens, tokens);
    model.close_gradient(store_.gradient(0));
    store_.complete(0);
    part_.reduce_gradients();
    if (zero != 1) return;
    part_.update(1, 0.1, 1.0);
    model.evaluate_batch(store_, tokens, tokens);
    store_.end();
  }

  const Timeline& time() const { return time_; }
  const std::vector<Work>& work() const { return store_.work(); }
  std::size_t last_part() const { return table_.last_part(); }

  /// Which part every transfer is of: of gathers of weights by where they come from, of sums by the
  /// order in which parts were completed; then (ZeRO 0) the sums are gathered part by part.
  std::vector<std::size_t> parts_of_transfers() const {
    std::vector<std::size_t> parts;
    std::size_t summed = 0, gathered = 0;
    for (const Transfer& transfer : time_.transfers) {
      if (!transfer.is_gather) {
        parts.push_back(store_.completed().at(summed++));
      } else if (config_.parallel.zero > 0) {
        parts.push_back(part_of_.at(static_cast<const float*>(transfer.from)));
      } else {
        parts.push_back(gathered++);
      }
    }
    return parts;
  }

 private:
  // The gathers of the first weights (ZeRO 1) are of no step.
  void begin_anew(int zero) {
    for (std::size_t part = 0; zero == 1 && part <= last_part(); ++part)
      part_.weights(part, Pass::forward);
    time_ = {};
  }

  config::RunConfig config_;
  model::ParameterTable table_;
  Timeline time_;
  profile::Profile profile_;
  comm::Communicator replicas_, tensor_;
  ModelPart<float> part_;
  TimedStore store_;
  std::map<const float*, std::size_t> part_of_;  // by where a rank's shard lies
};

constexpr double kUnit = 11.0;  // pixels, as all that follows
constexpr double kLeft = 176.0, kRight = 16.0, kTop = 66.0, kRow = 30.0, kBox = 26.0;
constexpr std::string_view kForward = "#4c78a8", kBackward = "#d9822b", kWaits = "#b33939",
                           kGather = "#3f8f5f", kSum = "#7a5195", kComing = "#cfe8cf",
                           kHeld = "#3f8f5f", kIdle = "#eeeeee";

/// Rows of boxes against time.
class Chart {
 public:
  Chart(std::size_t rows, double end, const std::string& title)
      : end_(end),
        picture_(kLeft + end * kUnit + kRight, kTop + static_cast<double>(rows) * kRow + 24.0) {
    picture_.words({.x = 12.0, .y = 22.0, .text = title, .size = 15.0});
  }

  void legend(const std::vector<std::pair<std::string_view, std::string_view>>& entries) {
    double x = 12.0;
    for (const auto& [fill, word] : entries) {
      picture_.box({x, 34.0, 14.0, 14.0, fill});
      picture_.words({.x = x + 19.0, .y = 45.5, .text = word});
      x += 40.0 + 6.5 * static_cast<double>(word.size());
    }
  }
  void row(const std::string& name) {
    ++row_;
    picture_.words(
        {.x = kLeft - 8.0, .y = y() + 17.5, .text = name, .anchor = SvgPicture::Anchor::end});
    picture_.box({kLeft, y(), end_ * kUnit, kBox, kIdle});
  }
  void box(double begin, double end, std::string_view fill, const std::string& label,
           const std::string& title, std::string_view ink = "#ffffff") {
    const double x = kLeft + begin * kUnit, wide = (end - begin) * kUnit;
    if (wide < 0.5) return;
    picture_.box({x + 0.5, y() + 0.5, std::max(wide - 1.0, 0.5), kBox - 1.0, fill, title});
    if (wide < 9.0 * static_cast<double>(label.size())) return;
    picture_.words({.x = x + wide / 2.0,
                    .y = y() + 17.5,
                    .text = label,
                    .fill = ink,
                    .anchor = SvgPicture::Anchor::middle});
  }
  void note(const std::string& text) {
    picture_.words({.x = 12.0, .y = y() + kBox + 20.0, .text = text});
  }

  /// Without the line that names the program.
  std::string text() const {
    const std::string all = picture_.text();
    return all.substr(all.find('\n') + 1);
  }

 private:
  double y() const { return kTop + (static_cast<double>(row_) - 1.0) * kRow; }

  double end_;
  std::size_t row_ = 0;
  SvgPicture picture_;
};

std::string letter_of(std::size_t part, std::size_t last) {
  return part == 0 ? "E" : part == last ? "N" : fmt::format("{}", part);
}

std::string name_of(std::size_t part, std::size_t last) {
  return part == 0 ? "embedding" : part == last ? "final norm" : fmt::format("block {}", part);
}

void draw_work(const Step& step, Chart& chart) {
  chart.row("computes");
  for (const Work& work : step.work()) {
    const bool forward = work.pass == Pass::forward;
    chart.box(work.begin, work.end, forward ? kForward : kBackward,
              letter_of(work.part, step.last_part()),
              (forward ? "forward, " : "backward, ") + name_of(work.part, step.last_part()));
  }
  for (const Waited& waited : step.time().waits)
    chart.box(waited.begin, waited.end, kWaits, "", "waits");
}

void draw_messages(const Step& step, Chart& chart) {
  chart.row("messages");
  const std::vector<std::size_t> parts = step.parts_of_transfers();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Transfer& transfer = step.time().transfers[i];
    chart.box(transfer.begin, transfer.end, transfer.is_gather ? kGather : kSum,
              letter_of(parts[i], step.last_part()),
              (transfer.is_gather ? "gather, " : "sum, ") + name_of(parts[i], step.last_part()));
  }
}

/// What lies in the places for whole weights, by place in the order of their first use.
std::vector<std::vector<std::size_t>> transfers_by_place(const Step& step) {
  std::vector<const void*> places;
  std::vector<std::vector<std::size_t>> transfers;
  for (std::size_t i = 0; i < step.time().transfers.size(); ++i) {
    const Transfer& transfer = step.time().transfers[i];
    if (!transfer.is_gather) continue;
    const auto place = std::ranges::find(places, transfer.to);
    const auto index = static_cast<std::size_t>(place - places.begin());
    if (place == places.end()) {
      places.push_back(transfer.to);
      transfers.emplace_back();
    }
    transfers[index].push_back(i);
  }
  return transfers;
}

void draw_places(const Step& step, Chart& chart) {
  const std::vector<std::size_t> parts = step.parts_of_transfers();
  std::size_t slots = 0;
  for (const std::vector<std::size_t>& held : transfers_by_place(step)) {
    const bool is_slot = held.size() > 1;
    chart.row("holds, " + (is_slot ? fmt::format("place {} of blocks", ++slots)
                                   : name_of(parts[held.front()], step.last_part())));
    for (std::size_t i = 0; i < held.size(); ++i) {
      const Transfer& transfer = step.time().transfers[held[i]];
      const double gone =
          i + 1 < held.size() ? step.time().transfers[held[i + 1]].asked : step.time().now;
      const std::string letter = letter_of(parts[held[i]], step.last_part());
      const std::string name = name_of(parts[held[i]], step.last_part());
      chart.box(transfer.asked, transfer.end, kComing, letter, name + " is gathered", "#222222");
      chart.box(transfer.end, gone, kHeld, letter, name + " is there");
    }
  }
}

std::string picture_of(const Step& step, bool with_places, const std::string& title) {
  Chart chart(with_places ? 2 + transfers_by_place(step).size() : 2, step.time().now, title);
  std::vector<std::pair<std::string_view, std::string_view>> entries = {{kForward, "forward"},
                                                                        {kBackward, "backward"},
                                                                        {kWaits, "waits"},
                                                                        {kGather, "gather"},
                                                                        {kSum, "sum of gradients"}};
  if (with_places) entries.push_back({kComing, "being gathered"});
  chart.legend(entries);
  draw_work(step, chart);
  draw_messages(step, chart);
  if (with_places) draw_places(step, chart);
  chart.note(
      fmt::format("E embedding, the head too; 1 to 4 blocks; N final norm, with logits and loss. "
                  "A product takes {:g}, the messages of a block {:g}.",
                  kUnitsAProduct, kUnitsABlock));
  return chart.text();
}

void expect_picture(const std::string& name, const std::string& text) {
  const std::filesystem::path file = std::filesystem::path(ISOFLOP_PICTURES) / name;
  if (std::getenv("ISOFLOP_DRAW") != nullptr) write_file_atomically(file, text);
  EXPECT_EQ(read_file(file), text) << "draw it anew with ISOFLOP_DRAW=1, and look at it";
}

TEST(ZeroPicture, IsWhatTheProgramDoes) {
  expect_picture("zero-0.svg", picture_of(Step(0), false, "ZeRO 0: a step of one of 4 replicas"));
  expect_picture(
      "zero-1.svg",
      picture_of(Step(1), false, "ZeRO 1: a step of one of 4 replicas, and the next forward pass"));
  expect_picture("zero-3.svg", picture_of(Step(3), true, "ZeRO 3: a step of one of 4 replicas"));
}

// Passes wait for the first weights, and then no more.
TEST(ZeroPicture, Zero3HidesGathersAndSumsBehindPasses) {
  const Step step(3);
  const auto is_block = [&](const Work& work) {
    return work.part > 0 && work.part < step.last_part();
  };
  const auto first = std::ranges::find_if(step.work(), is_block);
  ASSERT_NE(first, step.work().end());
  ASSERT_FALSE(step.time().waits.empty());
  for (const Waited& waited : step.time().waits)
    EXPECT_TRUE(waited.end <= first->begin || waited.begin >= step.work().back().end)
        << waited.begin << " to " << waited.end;
}

// Every block but those that are still there is gathered twice, by two places in turn.
TEST(ZeroPicture, Zero3HasTwoBlocksAtATime) {
  const Step step(3);
  std::size_t places = 0, gathers = 0;
  for (const std::vector<std::size_t>& held : transfers_by_place(step)) {
    const std::size_t part = step.parts_of_transfers()[held.front()];
    if (part == 0 || part == step.last_part()) continue;
    ++places;
    gathers += held.size();
  }
  EXPECT_EQ(places, 2u);
  EXPECT_EQ(gathers, 4u + 2u);  // forward 1 to 4, backward 2 and 1
}

}  // namespace
}  // namespace isoflop::train
