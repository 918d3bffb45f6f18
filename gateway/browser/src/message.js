// What tabs say to each other: any script of the origin can write to their channel, so it is checked.

const isText = (value) => typeof value === "string";
const isPlace = (value) => isText(value?.name) && (value.cursor === null || isText(value.cursor));
const isStep = (value) => isPlace(value) && isText(value.after) && isText(value.text) && ["event", "gap", "cursor"].includes(value.kind);
const isState = (value) => ["connecting", "open", "waiting", "closed"].includes(value?.state);
const areSteps = (value) => Array.isArray(value) && value.every(isStep);

/** Whether a message of another tab is one. */
export function isSaid(said) {
  if (!isText(said?.from)) return false;
  switch (said.kind) {
    case "wake":
      return true;
    case "lead":
      return isPlace(said.at);
    case "join":
      return said.at === null || isPlace(said.at);
    case "step":
      return isStep(said.step);
    case "state":
      return isState(said.state);
    case "ahead":
      return areSteps(said.steps);
    case "answer":
      return isState(said.state) && areSteps(said.steps) && (said.base === null || isPlace(said.base));
    default:
      return false;
  }
}
