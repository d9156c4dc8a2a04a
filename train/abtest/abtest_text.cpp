#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "train/abtest/abtest_report.h"
#include "train/report/bars.h"

namespace mal {

namespace {

std::string change(double percent) {
  return std::isfinite(percent) ? fmt::format("{:+.2f} %", percent) : "n/a";
}

std::string interval(const Effect& effect) {
  return std::isfinite(effect.low) ? fmt::format("[{:+.2f}, {:+.2f}]", effect.low, effect.high) : "";
}

std::string paper(const std::optional<double>& percent) {
  return percent ? change(*percent) : "";
}

std::string ratio(double num, double den, int digits) {
  return den > 0 ? fmt::format("{:.{}f}", num / den, digits) : "n/a";
}

void add_arms(std::string& text, const SeedResult& seed) {
  text += fmt::format("seed {}: a log of {} clicks and {} conversions, then the test\n", seed.seed, seed.log_clicks,
                      seed.log_conversions);
  text += fmt::format("{:<10}{:>9}{:>10}{:>9}{:>11}{:>8}{:>13}{:>8}{:>10}{:>8}{:>8}{:>8}{:>8}{:>8}\n", "arm", "users",
                      "shown", "clicks", "spend", "orders", "GMV", "ROI", "mean pCVR", "PCOC", "AUC log", "scale",
                      "unsold", "bound");
  for (const ArmTotals& arm : seed.arms) {
    const Outcome& sum = arm.sum;
    text += fmt::format("{:<10}{:>9}{:>10}{:>9}{:>11}{:>8}{:>13}{:>8}{:>10}{:>8}{:>8}{:>8.3f}{:>8}{:>8}\n", arm.name,
                        arm.users, sum.impressions, sum.clicks, grouped_number(std::round(sum.spend)), sum.orders,
                        grouped_number(std::round(sum.gmv)), ratio(sum.gmv, sum.spend, 2),
                        ratio(sum.predicted, sum.clicks, 4), ratio(sum.predicted, sum.orders, 3),
                        arm.log.auc ? fmt::format("{:.4f}", *arm.log.auc) : "n/a", arm.factor,
                        fmt::format("{:.1f} %", 100.0 * static_cast<double>(arm.unsold) /
                                                    std::max<double>(1, static_cast<double>(arm.places))),
                        fmt::format("{:.1f} %", 100.0 * static_cast<double>(arm.bound_days) /
                                                    std::max<double>(1, static_cast<double>(arm.advertiser_days))));
  }
}

void add_effects(std::string& text, const AbtestResult& result, std::size_t arm) {
  const SeedResult& first = result.seeds.front();
  text += fmt::format("\n{} against {}: difference [95 % interval]\n{:<18}{:>11}{:>20}{:>10}\n", first.arms[arm].name,
                      first.arms[0].name, "", "", "", "paper");
  bool truth = false;
  for (std::size_t m = 0; m < measures().size(); ++m) {
    const Measure& measure = measures()[m];
    if (measure.truth && !truth) text += "what the simulator knows besides\n";
    truth = measure.truth;
    const Effect effect = pooled_effect(result, arm, m);
    text += fmt::format("{:<18}{:>11}{:>20}{:>10}  {}\n", measure.name, change(effect.change), interval(effect),
                        paper(measure.paper), measure.meaning);
  }
  text += fmt::format("by industry{:>18}{:>31}{:>31}{:>10}\n", "GMV", "ROI", "orders", "paper");
  for (std::size_t i = 0; i < result.industries.size(); ++i) {
    const Effect gmv = pooled_effect(result, arm, i, 0), orders = pooled_effect(result, arm, i, 1),
                 roi = pooled_effect(result, arm, i, 2);
    text += fmt::format("{:<18}{:>11} {:<19}{:>11} {:<19}{:>11} {:<19}{:>9}\n", result.industries[i],
                        change(gmv.change), interval(gmv), change(roi.change), interval(roi), change(orders.change),
                        interval(orders), paper(paper_orders(result.industries[i])));
  }
}

std::string aa_text(const AbtestOptions& options, const AaResult& aa) {
  std::string text = fmt::format(
      "{} A/A tests of {} ({} users): how many of the 95 % intervals leave out 0; up to {:.1f} % may by chance\n",
      aa.tests, options.arms.front().name, options.users, 100 * largest_chance_share(aa.tests));
  for (std::size_t m = 0; m < aa.alarms.size(); ++m)
    text += fmt::format("{:<10}{:>6} of {} = {:.1f} %, intervals of ±{:.2f} % in the mean\n", measures()[m].name,
                        aa.alarms[m], aa.tests, 100.0 * aa.alarms[m] / aa.tests, aa.mean_half_width[m]);
  return text;
}

}  // namespace

std::vector<std::string> overspending_notes(const SeedResult& seed) {
  constexpr double kMuch = 0.1;
  std::vector<std::string> notes;
  for (const ArmTotals& arm : seed.arms)
    if (arm.overspent > kMuch * arm.sum.spend)
      notes.push_back(fmt::format(
          "note: {:.0f} % of what {} spent was beyond the budgets, which are small for so few users: take more --users",
          100 * arm.overspent / arm.sum.spend, arm.name));
  return notes;
}

std::string abtest_text(const AbtestOptions& options, const AbtestResult& result) {
  std::string text;
  std::uint64_t rows = 0;
  if (result.aa) text += aa_text(options, *result.aa);
  for (const SeedResult& seed : result.seeds) {
    add_arms(text, seed);
    for (const std::string& note : overspending_notes(seed)) text += note + "\n";
    for (const ArmTotals& arm : seed.arms) rows += arm.counts.rows;
  }
  if (!result.seeds.empty())
    for (std::size_t arm = 1; arm < result.seeds.front().arms.size(); ++arm) add_effects(text, result, arm);
  text += fmt::format("\n{} of {} users, days {} to {}, {}, calibration {}, {} seed{}; {:.0f} s", options.world,
                      options.users, options.from_day + 1, options.from_day + options.days,
                      options.aa > 0                     ? "each user in one arm"
                      : options.design == Design::paired ? "each user in every arm"
                                                         : "each user in one arm",
                      calibration_name(options.calibration), options.seeds.size(), options.seeds.size() > 1 ? "s" : "",
                      result.seconds);
  if (rows > 0)
    text += fmt::format(", {} rows scored, {} a second", grouped_number(static_cast<double>(rows)),
                        grouped_number(std::round(static_cast<double>(rows) / result.seconds)));
  return text + "\n";
}

}  // namespace mal
