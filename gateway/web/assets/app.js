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

  // Marks of light formatting: around what is chosen, or at the beginning of its lines.
  document.querySelectorAll("[data-marks]").forEach(function (bar) {
    var field = document.getElementById(bar.dataset.marks);
    bar.hidden = false;
    bar.addEventListener("click", function (event) {
      var b = event.target.closest("button");
      if (!b) return;
      var from = field.selectionStart, to = field.selectionEnd, text = field.value, put, mark = b.dataset.mark;
      if (mark) {
        put = mark + (text.slice(from, to) || b.textContent) + mark;
      } else {
        from = text.lastIndexOf("\n", from - 1) + 1;
        put = text.slice(from, to).split("\n").map(function (line) { return b.dataset.line + line; }).join("\n");
      }
      field.setRangeText(put, from, to, "select");
      if (mark) field.setSelectionRange(from + mark.length, from + put.length - mark.length);
      else field.setSelectionRange(from + put.length, from + put.length);
      field.focus();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  });

  // Recipients from the address book, proposed while one types (WAI-ARIA combobox with a list).
  document.querySelectorAll("input[data-complete]").forEach(function (input) {
    var box = document.createElement("ul"), said = document.createElement("span"), found = [], at = -1, asked = 0, timer;
    box.id = input.id + "-list";
    box.className = "proposals";
    box.hidden = true;
    box.setAttribute("role", "listbox");
    box.setAttribute("aria-label", input.labels[0].textContent);
    said.className = "visually-hidden";
    said.setAttribute("role", "status");
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", box.id);
    input.after(box, said);
    function last() { return input.value.slice(begin()).trim(); }
    function begin() { return Math.max(input.value.lastIndexOf(","), input.value.lastIndexOf(";")) + 1; }
    function close() {
      box.hidden = true;
      at = -1;
      said.textContent = "";
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }
    function choose(n) {
      input.value = (input.value.slice(0, begin()) + " " + found[n].value).trim() + ", ";
      close();
      input.focus();
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    function point(n) {
      at = (n + found.length) % found.length;
      Array.prototype.forEach.call(box.children, function (li, i) { li.setAttribute("aria-selected", String(i === at)); });
      input.setAttribute("aria-activedescendant", box.children[at].id);
      box.children[at].scrollIntoView({ block: "nearest" });
    }
    function show(all) {
      found = all;
      box.textContent = "";
      if (!all.length) return close();
      all.forEach(function (one, i) {
        var li = document.createElement("li"), more = document.createElement("span");
        li.id = box.id + i;
        li.setAttribute("role", "option");
        li.setAttribute("aria-selected", "false");
        li.textContent = one.label;
        more.className = "soft";
        more.textContent = one.more ? " " + one.more : "";
        li.append(more);
        li.addEventListener("mousedown", function (event) { event.preventDefault(); choose(i); });
        box.append(li);
      });
      at = -1;
      box.hidden = false;
      input.setAttribute("aria-expanded", "true");
      said.textContent = all.length + " " + input.dataset.found;
    }
    input.addEventListener("input", function () {
      clearTimeout(timer);
      var text = last();
      if (text.length < 2) return close();
      timer = setTimeout(function () {
        var mine = ++asked;
        fetch(input.dataset.complete + "?q=" + encodeURIComponent(text))
          .then(function (answer) { return answer.ok && !answer.redirected ? answer.json() : []; })
          .then(function (all) { if (mine === asked && document.activeElement === input) show(all); })
          .catch(close);
      }, 150);
    });
    input.addEventListener("keydown", function (event) {
      if (box.hidden) return;
      if (event.key === "ArrowDown") point(at + 1);
      else if (event.key === "ArrowUp") point(at < 0 ? -1 : at - 1);
      else if (event.key === "Enter" && at >= 0) choose(at);
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
    });
    input.addEventListener("blur", close);
  });

  // What is being written is kept now and then; a session that ends meanwhile loses nothing.
  document.querySelectorAll("form[data-keep]").forEach(function (form) {
    var said = form.querySelector("[data-keep-said]"), timer = null, changed = false, leaving = false;
    function keep() {
      timer = null;
      if (leaving || !changed) return;
      changed = false;
      var data = new FormData(form);
      ["file", "password", "password2"].forEach(function (name) { data.delete(name); });
      data.set("action", "keep");
      fetch(form.action, { method: "POST", body: data }).then(function (answer) {
        if (answer.status === 401) said.textContent = form.dataset.ended;
        else if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
        else said.textContent = form.dataset.kept + " " + new Date().toLocaleTimeString(document.documentElement.lang);
      }).catch(function () {
        said.textContent = form.dataset.lost;
        changed = true;
        later();
      });
    }
    function later() { if (!timer) timer = setTimeout(keep, 8000); }
    form.addEventListener("input", function () { changed = true; later(); });
    form.addEventListener("submit", function () { leaving = true; });
    window.addEventListener("pageshow", function () { leaving = false; });
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
      check(head);
      if (head.ok) {
        this.place = old;
        this.offset = Number(head.headers.get("Upload-Offset"));
        return;
      }
      remember(this.file, null);
    }
    var meta = "filename " + base64(this.file.name) + (this.file.type ? ",filetype " + base64(this.file.type) : "");
    var made = await fetch(words.place || "/api/v1/uploads", {
      method: "POST",
      headers: headers({ "Upload-Length": String(this.file.size), "Upload-Metadata": meta })
    });
    check(made);
    if (!made.ok) throw new Refused();
    this.place = new URL(made.headers.get("Location"), location.href).pathname;
    this.offset = 0;
    remember(this.file, this.place);
  };
  function Refused() { this.refused = true; }
  function Ended() { this.ended = true; }
  // A server that is just starting refuses nothing; one that knows us no longer waits for the login.
  function check(answer) {
    if (answer.status === 401 || answer.status === 403) throw new Ended();
    if (answer.status >= 500) throw new Error(String(answer.status));
  }
  Upload.prototype.go = async function () {
    // Whoever pauses and goes on while an attempt still waits begins anew: one attempt at a time counts.
    var turn = this.turn = (this.turn || 0) + 1, up = this, pause = 1000;
    function mine() { return up.state === "going" && up.turn === turn; }
    this.state = "going";
    this.pause.textContent = words.pause;
    while (mine()) {
      try {
        await this.begin();
        while (mine() && this.offset < this.file.size) {
          this.show();
          this.abort = new AbortController();
          var piece = this.file.slice(this.offset, this.offset + CHUNK);
          var sent = await fetch(this.place, {
            method: "PATCH", body: piece, signal: this.abort.signal,
            headers: headers({ "Upload-Offset": String(this.offset), "Content-Type": "application/offset+octet-stream" })
          });
          check(sent);
          if (sent.status >= 400 && sent.status < 500 && sent.status !== 409) throw new Refused();
          if (!sent.ok) throw new Error(String(sent.status));
          this.offset = Number(sent.headers.get("Upload-Offset"));
          pause = 1000;
        }
        if (mine()) this.finish();
      } catch (error) {
        if (!mine()) return;
        if (error.refused) return this.stop("failed", words.failed);
        if (error.ended) return this.stop("paused", words.ended);
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
    // What is kept of the form from now on names the file.
    form.dispatchEvent(new Event("input"));
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
