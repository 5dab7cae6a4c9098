// Remembers which functions of a module have been called and went through, so that a test can say which were forgotten.

/** Names of all functions in `exported`, those of its namespaces with their prefix, such as "time.latest". */
function functionNames(exported, prefix = "") {
  return Object.entries(exported).flatMap(([name, value]) =>
    typeof value === "function" ? [prefix + name] : functionNames(value, `${prefix}${name}.`),
  );
}

/** `exported`, with each function adding its name to `done` when it has gone through. */
function recorded(exported, done, prefix = "") {
  const wrap = (name, value) => {
    if (typeof value !== "function") return recorded(value, done, `${name}.`);
    return (...values) => {
      const result = value(...values);
      if (!(result instanceof Promise)) return done.add(name) && result;
      return result.then((found) => done.add(name) && found);
    };
  };
  return Object.fromEntries(Object.entries(exported).map(([name, value]) => [name, wrap(prefix + name, value)]));
}

module.exports = { functionNames, recorded };
