/** Kinds of cards in words, for Help; a test holds them to the kinds that the twin has. */

export const CARD_KINDS = [
  {
    kind: "delivery_risk", title: "Delivery risk", cause: "A line is slower than planned, lost hours, or began late.",
    consequence: "Orders miss the truck that keeps their promise; penalties.",
    action: "Order the overtime that the card names, ask for options, or tell the customer.",
    deadline: "When the overtime can last be ordered, else when the goods must be ready.",
    owner: "The supervisor of the line.", ends: "An hour after the orders are in time again, or at once when they have shipped.",
  },
  {
    kind: "material_shortage", title: "Material shortage", cause: "A part runs out before a run is through.",
    consequence: "Runs stand and wait; late orders, idle lines.", action: "Order the part, hurry the receipt, or make something else first.",
    deadline: "The last moment to order at the normal price.", owner: "The buyer of the part.", ends: "When stock and receipts cover the runs again.",
  },
  {
    kind: "quality_risk", title: "Quality risk", cause: "More bad pieces than usual, and not by chance.",
    consequence: "Scrap, and orders that come up short.", action: "Hold back what the card names, find the cause, stop if it goes on.",
    deadline: "The end of the run.", owner: "The quality lead.", ends: "When the rate is as usual again, or the run has ended.",
  },
  {
    kind: "line_down", title: "Line down", cause: "A line or a station stands.", consequence: "Late orders, idle hours.",
    action: "Say how long it will take; move runs to the lines that the card names.", deadline: "When it must run again for its orders.",
    owner: "The supervisor of the line.", ends: "When it runs again.",
  },
  {
    kind: "plan_infeasible", title: "Plan cannot hold", cause: "The plan itself ends too late, is overbooked, or has too few pieces.",
    consequence: "Orders are late even if all goes well.", action: "Ask for options and commit one, or change the promise.",
    deadline: "The last moment to begin.", owner: "The supervisor of the line, or the account owner.", ends: "When the plan holds again.",
  },
  {
    kind: "data_stale", title: "No data", cause: "A line that runs has said nothing for longer than usual.",
    consequence: "Nobody knows whether it runs; forecasts that rest on it say so.", action: "Look whether it runs; see to the connection.",
    deadline: "When standing would begin to cost.", owner: "The supervisor of the line.", ends: "As soon as it speaks again.",
  },
  {
    kind: "data_conflict", title: "Contradiction", cause: "Two systems say different things about one order or run.",
    consequence: "One of them plans for what will not be.", action: "Put the wrong system right; the card says which value is used meanwhile.",
    deadline: "When the first goods must be ready.", owner: "The supervisor of the line, or the account owner.", ends: "As soon as they agree.",
  },
];
