/* Comfort only: every page works without this file. */
(function () {
  "use strict";
  // Lists that filter by a choice do so at once; the button stays for those without scripts.
  document.querySelectorAll("form[data-live] select").forEach(function (select) {
    select.addEventListener("change", function () { select.form.requestSubmit(); });
  });
  // What cannot be taken back is asked once more.
  document.querySelectorAll("form[data-ask]").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      if (!window.confirm(form.dataset.ask)) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
    }, true);
  });

  // Files of a new message go ahead, in pieces that can be resumed (tus 1.0); the form then only names them.
  var drop = document.querySelector("[data-uploads]");
  if (!drop || !window.fetch || !window.TextEncoder) return;
  var form = drop.closest("form"), input = drop.querySelector("input[type=file]");
  var list = drop.querySelector(".uploads"), said = drop.querySelector("[data-uploads-said]");
  var words = drop.dataset, CHUNK = 8 << 20, under = [], waiting = null;

  function base64(text) {
    var raw = "";
    new TextEncoder().encode(text).forEach(function (b) { raw += String.fromCharCode(b); });
    return btoa(raw);
  }
  function headers(more) {
    return Object.assign({ "Tus-Resumable": "1.0.0", "X-CSRF-Token": words.csrf }, more);
  }
  function size(n) {
    var units = document.documentElement.lang === "fr" ? ["o", "ko", "Mo", "Go", "To"] : ["B", "kB", "MB", "GB", "TB"];
    var i = 0;
    while (n >= 1000 && i < 4) { n /= 1000; i += 1; }
    return n.toLocaleString(document.documentElement.lang, { maximumFractionDigits: i ? 1 : 0 }) + "\u00a0" + units[i];
  }
  // The same file chosen again after a reload goes on where it stopped.
  function mark(file) { return "sealpost-upload:" + [file.name, file.size, file.lastModified].join(":"); }
  function remembered(file) { try { return localStorage.getItem(mark(file)); } catch (e) { return null; } }
  function remember(file, place) {
    try { if (place) localStorage.setItem(mark(file), place); else localStorage.removeItem(mark(file)); } catch (e) { return; }
  }
  function button(text, name, act) {
    var b = document.createElement("button");
    b.type = "button";
    b.className = "plain slim";
    b.textContent = text;
    b.setAttribute("aria-label", text + " " + name);
    b.addEventListener("click", act);
    return b;
  }

  function Upload(file) {
    var up = this;
    up.file = file;
    up.offset = 0;
    up.state = "going";
    up.row = document.createElement("li");
    var name = document.createElement("span");
    name.className = "name";
    name.textContent = file.name;
    up.said = document.createElement("span");
    up.said.className = "said";
    up.bar = document.createElement("progress");
    up.bar.max = Math.max(1, file.size);
    up.bar.setAttribute("aria-label", file.name);
    up.pause = button(words.pause, file.name, function () {
      if (up.state === "paused") up.go(); else up.stop("paused", words.paused);
    });
    var actions = document.createElement("span");
    actions.className = "actions";
    actions.append(up.pause, button(words.remove, file.name, function () { up.remove(); }));
    up.row.append(name, up.said, up.bar, actions);
    list.append(up.row);
    under.push(up);
    up.go();
  }
  Upload.prototype.show = function (text) {
    this.bar.value = this.offset;
    var share = Math.floor(this.offset * 100 / Math.max(1, this.file.size));
    this.said.textContent = size(this.file.size) + " · " + (text || share + "\u00a0%");
  };
  Upload.prototype.stop = function (state, text) {
    this.state = state;
    if (this.abort) this.abort.abort();
    this.pause.textContent = words.resume;
    this.show(text);
  };
  Upload.prototype.remove = function () {
    this.stop("removed", "");
    under = under.filter(function (u) { return u !== this; }, this);
    this.row.remove();
    remember(this.file, null);
    if (this.place) fetch(this.place, { method: "DELETE", headers: headers() }).catch(function () { return null; });
    settle();
  };
  Upload.prototype.begin = async function () {
    var old = this.place || remembered(this.file);
    if (old) {
      var head = await fetch(old, { method: "HEAD", headers: headers() });
      if (head.ok) {
        this.place = old;
        this.offset = Number(head.headers.get("Upload-Offset"));
        return;
      }
      remember(this.file, null);
    }
    var meta = "filename " + base64(this.file.name) + (this.file.type ? ",filetype " + base64(this.file.type) : "");
    var made = await fetch("/api/v1/uploads", {
      method: "POST",
      headers: headers({ "Upload-Length": String(this.file.size), "Upload-Metadata": meta })
    });
    if (!made.ok) throw new Refused();
    this.place = new URL(made.headers.get("Location"), location.href).pathname;
    this.offset = 0;
    remember(this.file, this.place);
  };
  function Refused() { this.refused = true; }
  Upload.prototype.go = async function () {
    this.state = "going";
    this.pause.textContent = words.pause;
    var pause = 1000;
    while (this.state === "going") {
      try {
        await this.begin();
        while (this.state === "going" && this.offset < this.file.size) {
          this.show();
          this.abort = new AbortController();
          var piece = this.file.slice(this.offset, this.offset + CHUNK);
          var sent = await fetch(this.place, {
            method: "PATCH", body: piece, signal: this.abort.signal,
            headers: headers({ "Upload-Offset": String(this.offset), "Content-Type": "application/offset+octet-stream" })
          });
          if (sent.status >= 400 && sent.status < 500 && sent.status !== 409) throw new Refused();
          if (!sent.ok) throw new Error(String(sent.status));
          this.offset = Number(sent.headers.get("Upload-Offset"));
          pause = 1000;
        }
        if (this.state === "going") this.finish();
      } catch (error) {
        if (this.state !== "going") return;
        if (error.refused) return this.stop("failed", words.failed);
        this.show(words.waiting);
        await new Promise(function (done) { setTimeout(done, pause); });
        pause = Math.min(pause * 2, 15000);
      }
    }
  };
  Upload.prototype.finish = function () {
    this.state = "done";
    remember(this.file, null);
    this.pause.remove();
    this.bar.remove();
    this.show(words.done);
    var field = document.createElement("input");
    field.type = "hidden";
    field.name = "upload";
    field.value = this.place.split("/").pop();
    this.row.append(field);
    settle();
  };
  function settle() {
    var open = under.some(function (u) { return u.state === "going" || u.state === "paused"; });
    if (!open && waiting) {
      var by = waiting;
      waiting = null;
      said.textContent = "";
      form.requestSubmit(by);
    }
  }
  function take(files) {
    Array.prototype.forEach.call(files, function (file) { new Upload(file); });
    input.value = "";
  }
  input.addEventListener("change", function () { take(input.files); });
  drop.addEventListener("dragover", function (event) { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", function () { drop.classList.remove("over"); });
  drop.addEventListener("drop", function (event) {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer) take(event.dataTransfer.files);
  });
  form.addEventListener("submit", function (event) {
    if (under.some(function (u) { return u.state === "going" || u.state === "paused"; })) {
      event.preventDefault();
      event.stopImmediatePropagation();
      waiting = event.submitter;
      said.textContent = words.later;
    }
  }, true);
})();
