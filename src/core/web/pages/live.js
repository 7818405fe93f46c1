// Looks again now and then, and changes what has changed. The page does everything without it.
"use strict";
(() => {
  const period = 3000;
  const status = document.getElementById("summary");
  document.getElementById("refresh").hidden = true;
  document.getElementById("live").hidden = false;

  function change(fresh) {
    const summary = fresh.getElementById("summary").textContent;
    // Only a change is told: a screen reader would read it out each time.
    if (status.textContent !== summary) status.textContent = summary;
    const old = document.getElementById("servers");
    const wanted = fresh.getElementById("servers");
    if (old.innerHTML === wanted.innerHTML) return;
    const focus = document.activeElement && document.activeElement.id;
    const pairs = Math.max(old.children.length, wanted.children.length);
    for (let at = 0; at < pairs; at += 1) {
      const before = old.children[at];
      const after = wanted.children[at] && document.importNode(wanted.children[at], true);
      if (!before) old.append(after);
      else if (!after) before.hidden = true;
      else if (before.outerHTML !== after.outerHTML) before.replaceWith(after);
    }
    // Whoever stands on a button stays there.
    const stands = focus && document.getElementById(focus);
    if (stands && stands !== document.activeElement) stands.focus({ preventScroll: true });
  }

  async function look() {
    if (!document.hidden) {
      try {
        const answer = await fetch("/oauth", {
          headers: { Accept: "text/html" },
          credentials: "same-origin",
          redirect: "manual",
        });
        if (answer.type === "opaqueredirect") return location.reload();
        if (!answer.ok) throw new Error(answer.status);
        change(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        status.textContent = "1mcp does not answer. Trying again.";
      }
    }
    setTimeout(look, period);
  }
  setTimeout(look, period);
})();
