/* Comfort only: every page works without this file. */
(function () {
  "use strict";
  // Elements with data-until (seconds since 1970) count down; data-skew corrects a wrong local clock.
  var loaded = Date.now() / 1000;
  function left(el) {
    var now = Number(document.body.dataset.now) + (Date.now() / 1000 - loaded);
    return Math.max(0, Math.ceil(Number(el.dataset.until) - now));
  }
  function words(s) {
    return Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");
  }
  function tick() {
    var running = false;
    document.querySelectorAll("[data-until]").forEach(function (el) {
      var s = left(el);
      el.textContent = s > 0 ? (el.dataset.text || "{}").replace("{}", words(s)) : el.dataset.over || "";
      if (s > 0) running = true;
      var target = el.dataset.unlocks && document.getElementById(el.dataset.unlocks);
      if (target) target.disabled = s > 0;
    });
    if (running) setTimeout(tick, 500);
  }
  tick();

  // A complete code is sent without a further click; the first wrong one is corrected by hand.
  var code = document.querySelector("input[data-auto]");
  if (code) {
    code.addEventListener("input", function () {
      var digits = code.value.replace(/\D/g, "");
      if (digits.length === 6 && !code.dataset.sent) {
        code.dataset.sent = "1";
        code.value = digits;
        code.form.requestSubmit();
      }
    });
  }

  // A form is sent once.
  document.querySelectorAll("form").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    });
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form").forEach(function (form) { delete form.dataset.sent; });
  });

  // A page that only carries something on does so by itself.
  var carries = document.querySelector("form[data-auto-submit]");
  if (carries) carries.requestSubmit();

  // Who took the mail with the code, once that is known.
  document.querySelectorAll("[data-delivery]").forEach(function (el) {
    var tries = 0;
    function look() {
      fetch(el.dataset.delivery, { credentials: "same-origin" })
        .then(function (answer) { return answer.json(); })
        .then(function (answer) {
          if (answer.text) el.textContent = answer.text;
          else if (++tries < 40) setTimeout(look, 1500);
        })
        .catch(function () {});
    }
    if (window.fetch) setTimeout(look, 700);
  });

  // The phone answers elsewhere: ask how far it is, and go on by itself.
  document.querySelectorAll("[data-poll]").forEach(function (el) {
    function look() {
      fetch(el.dataset.poll, { credentials: "same-origin" })
        .then(function (answer) { return answer.json(); })
        .then(function (answer) {
          var status = answer.status;
          if (status === (el.dataset.stage === "retrieved" ? "retrieved" : "pending")) return setTimeout(look, 1500);
          if (status === "needs-refresh" && el.requestSubmit) return el.requestSubmit();
          location.reload();
        })
        .catch(function () { setTimeout(look, 5000); });
    }
    if (window.fetch) setTimeout(look, 1500);
  });

  // A text message hands its code over by itself where the telephone allows it (WebOTP).
  var sms = document.querySelector("input[data-sms]");
  if (sms && "OTPCredential" in window) {
    var waiting = new AbortController();
    sms.form.addEventListener("submit", function () { waiting.abort(); });
    navigator.credentials.get({ otp: { transport: ["sms"] }, signal: waiting.signal })
      .then(function (otp) { sms.value = otp.code; sms.form.requestSubmit(); })
      .catch(function () { return null; });
  }

  // A small computation in place of a picture to decipher (ALTCHA): numbers are tried until one fits.
  var work = document.querySelector("input[data-altcha]");
  function compute(question, from) {
    var text = new TextEncoder(), tries = [];
    for (var n = from; n < from + 500 && n <= question.maxnumber; n += 1) {
      tries.push(crypto.subtle.digest("SHA-256", text.encode(question.salt + n)));
    }
    if (!tries.length) return;
    Promise.all(tries).then(function (hashes) {
      var found = hashes.findIndex(function (hash) {
        return Array.from(new Uint8Array(hash), function (b) { return b.toString(16).padStart(2, "0"); }).join("") === question.challenge;
      });
      if (found < 0) return compute(question, from + 500);
      work.value = btoa(JSON.stringify({
        algorithm: question.algorithm, challenge: question.challenge, number: from + found,
        salt: question.salt, signature: question.signature
      }));
      var said = document.querySelector("[data-altcha-said]");
      if (said) said.textContent = said.dataset.altchaSaid;
    });
  }
  if (work && window.crypto && crypto.subtle) compute(JSON.parse(work.dataset.altcha), 0);

  document.querySelectorAll("button[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });
})();
