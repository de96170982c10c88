// What is wrong, as a list. No function here touches the document.

// alarmsOf returns what a status says is wrong: what and where, and what to do about it. Grave is what keeps the
// catalogue from being read, written or mirrored.
export function alarmsOf(status) {
  const all = [];
  const add = (grave, where, text, detail = {}) => all.push({ grave, where, text, do: "", since: "", ...detail });
  const { etcd, mirrors, drops, czars } = status;
  if (!etcd.ok) add(true, "etcd", etcd.error || "it does not answer");
  for (const kind of etcd.alarms) add(true, "etcd", kindText(kind));
  for (const member of etcd.endpoints) {
    if (!member.ok && etcd.ok) add(false, `etcd ${member.endpoint}`, member.error || "it does not answer");
  }
  if (etcd.ok && status.catalogue === null) add(false, "catalogue", "there is none yet, or it cannot be read");
  for (const mirror of mirrors) {
    const where = `mirror ${mirror.name || mirror.server}`;
    for (const t of mirror.troubles) add(t.holds, where, t.text, { do: t.do, since: t.since ?? "" });
    if (!mirror.ok && mirror.error && mirror.troubles.length === 0) add(true, where, mirror.error);
  }
  if (drops?.error) add(false, "drops", drops.error);
  for (const drop of drops?.longest ?? []) {
    if (drop.phase === "failed") add(false, `drop of ${drop.name}`, drop.error || drop.trouble || "it failed");
  }
  for (const czar of czars) {
    if (czar.state !== "silent") continue;
    add(false, `czar ${czar.name || czar.id}`, "it is registered, and does not confirm that it lives");
  }
  return all;
}

function kindText(kind) {
  switch (kind) {
    case "NOSPACE":
      return "it is full and takes no writes (alarm NOSPACE): compact and defragment it, then disarm the alarm";
    case "CORRUPT":
      return "its members hold different data (alarm CORRUPT)";
    default:
      return `it has raised the alarm ${kind}`;
  }
}
