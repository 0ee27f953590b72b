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
})();
