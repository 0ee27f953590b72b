"""Drives Thunderbird without a person: two accounts in a fresh profile, one that sends and one that receives.

Usage: thunderbird.py start DIR DEMO.json     a profile in DIR, Thunderbird on the display, until killed
       thunderbird.py STEP DIR [ARGUMENT…]    a step in the running one; prints JSON

Steps speak Marionette (the protocol of Firefox's own tests) in its privileged context: what a person would
click is called by the command behind it, what a person would see is read from the windows and photographed.
"""

import json
import os
import socket
import subprocess
import sys
import time

PORT = 2828


class Marionette:
    """One session: length-prefixed JSON over a local port."""

    def __init__(self, patience=60):
        end = time.monotonic() + patience
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", PORT), 5)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self.socket.settimeout(120)
        self.number = 0
        self.read()
        self.send("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": False}}})
        self.send("Marionette:SetContext", {"value": "chrome"})
        self.send("WebDriver:SetTimeouts", {"script": 110000})

    def read(self):
        size = b""
        while not size.endswith(b":"):
            size += self.socket.recv(1)
        left, parts = int(size[:-1]), []
        while left:
            part = self.socket.recv(left)
            parts.append(part)
            left -= len(part)
        return json.loads(b"".join(parts))

    def send(self, name, parameters):
        self.number += 1
        data = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(str(len(data)).encode() + b":" + data)
        _, _, error, result = self.read()
        if error:
            raise SystemExit(f"{name}: {error['error']}: {error['message']}\n{error.get('stacktrace', '')}")
        return result

    def script(self, text, *arguments):
        """Runs privileged JavaScript; its last line returns, and may await."""
        body = (
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
            "(async () => {" + COMMON + text + "})().then(v => done({v: v === undefined ? null : v}),"
            " e => done({e: String(e) + '\\n' + (e && e.stack)}));"
        )
        told = self.send("WebDriver:ExecuteAsyncScript", {"script": body, "args": list(arguments)})["value"]
        if "e" in told:
            raise SystemExit(told["e"])
        return told["v"]


COMMON = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const sleep = ms => new Promise(r => ChromeUtils.importESModule(
  "resource://gre/modules/Timer.sys.mjs").setTimeout(r, ms));
const until = async (what, test, seconds = 60) => {
  for (let n = 0; n < seconds * 5; n++) {
    const found = await test();
    if (found) return found;
    await sleep(200);
  }
  throw new Error("waited in vain: " + what);
};
const accountOf = login => MailServices.accounts.accounts.find(a => a.incomingServer.username == login);
const folderOf = (login, path) => {
  const root = accountOf(login).incomingServer.rootFolder;
  return root.descendants.find(f => f.URI.endsWith("/" + path));
};
const refresh = async folder => {
  folder.QueryInterface(Ci.nsIMsgImapMailFolder);
  await new Promise((resolve, reject) => folder.updateFolderWithListener(null, {
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    OnStartRunningUrl() {},
    OnStopRunningUrl(url, code) { Components.isSuccessCode(code) ? resolve() : reject(new Error("0x" + code.toString(16))); },
  }));
};
const listed = folder => [...folder.messages].map(h => ({
  subject: h.mime2DecodedSubject, author: h.mime2DecodedAuthor, keywords: h.getStringProperty("keywords"),
  read: h.isRead, size: h.messageSize, id: h.messageId, key: h.messageKey,
}));
const main = () => Services.wm.getMostRecentWindow("mail:3pane");
"""


def preferences(about):
    """user.js: two IMAP accounts, and nothing that talks to the outside."""
    alice, bob = about["accounts"][0], about["mailboxes"][0]
    ports = about["ports"]
    all_ = {
        "app.update.enabled": False,
        "app.donation.eoy.version.viewed": 999,
        "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
        "extensions.update.enabled": False,
        "mail.shell.checkDefaultClient": False,
        "mail.spotlight.firstRunDone": True,
        "mail.winsearch.firstRunDone": True,
        "mail.provider.suppress_dialog_on_startup": True,
        "mail.rights.version": 1,
        "mailnews.start_page.enabled": False,
        "mailnews.start_page_override.mstone": "ignore",
        "mail.inappnotifications.enabled": False,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "toolkit.telemetry.enabled": False,
        "marionette.port": PORT,
        "mail.biff.play_sound": False,
        "mail.biff.show_alert": False,
        "mail.compose.attachment_reminder": False,
        "mail.warn_on_send_accel_key": False,
        "mailnews.display.html_as": 0,
        "mail.phishing.detection.enabled": False,
        "mail.accountmanager.accounts": "account1,account2",
        "mail.accountmanager.defaultaccount": "account1",
        "mail.smtpservers": "smtp1",
        "mail.smtp.defaultserver": "smtp1",
        "mail.smtpserver.smtp1.hostname": about["host"],
        "mail.smtpserver.smtp1.port": ports["submissions"],
        "mail.smtpserver.smtp1.username": alice["login"],
        "mail.smtpserver.smtp1.try_ssl": 3,
        "mail.smtpserver.smtp1.authMethod": 3,
        "mailnews.tags.$read.tag": "Ouvert",
        "mailnews.tags.$read.color": "#1B7F3B",
        "mailnews.tags.$downloaded.tag": "Téléchargé",
        "mailnews.tags.$downloaded.color": "#1B4F9B",
        "mailnews.tags.$notified.tag": "Notifié",
        "mailnews.tags.$notified.color": "#777777",
        "mailnews.tags.$sealed.tag": "Scellé",
        "mailnews.tags.$sealed.color": "#7A3B9B",
    }
    for n, (login, name) in enumerate([(alice["login"], "Alice Martin"), (bob["login"], "Bob")], 1):
        server, identity = f"mail.server.server{n}.", f"mail.identity.id{n}."
        all_ |= {
            f"mail.account.account{n}.server": f"server{n}",
            f"mail.account.account{n}.identities": f"id{n}",
            server + "type": "imap",
            server + "hostname": about["host"],
            server + "port": ports["imaps"],
            server + "userName": login,
            server + "name": login,
            server + "socketType": 3,
            server + "authMethod": 3,
            server + "check_new_mail": False,
            server + "login_at_startup": False,
            server + "directory-rel": f"[ProfD]ImapMail/{n}",
            identity + "fullName": name,
            identity + "useremail": login,
            identity + "smtpServer": "smtp1",
            identity + "valid": True,
            identity + "compose_html": False,
            identity + "fcc_folder": f"imap://{login.replace('@', '%40')}@{about['host']}/Sent",
            identity + "fcc_folder_picker_mode": "1",
        }
    return all_


def start(directory, description):
    about = json.load(open(description))
    profile = os.path.join(directory, "profile")
    os.makedirs(profile, exist_ok=True)
    with open(os.path.join(profile, "user.js"), "w") as file:
        for name, value in preferences(about).items():
            file.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
    certutil = ["certutil", "-d", "sql:" + profile]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "ca", "-t", "CT,C,", "-i", about["ca"]], check=True)
    environment = dict(os.environ, HOME=directory, MOZ_DISABLE_AUTO_SAFE_MODE="1", LANG="C.UTF-8")
    os.execvpe(
        "thunderbird",
        ["thunderbird", "--no-remote", "--profile", profile, "--marionette", "--remote-allow-system-access"],
        environment,
    )


def passwords(session, _directory, description):
    """Puts the passwords where the program keeps them, and opens both accounts."""
    about = json.load(open(description))
    alice, bob = about["accounts"][0], about["mailboxes"][0]
    logins = [
        ["imap", alice["login"], alice["app_password"]],
        ["smtp", alice["login"], alice["app_password"]],
        ["imap", bob["login"], bob["password"]],
    ]
    return session.script(
        """
        const [logins, host] = given;
        for (const [kind, login, password] of logins) {
          const info = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
          const url = kind + "://" + host;
          info.init(url, null, url, login, password, "", "");
          const known = await Services.logins.searchLoginsAsync({ origin: url });
          if (!known.some(k => k.username == login)) await Services.logins.addLoginAsync(info);
        }
        await until("the main window", () => main());
        const seen = {};
        for (const [kind, login] of logins) {
          if (kind != "imap") continue;
          const inbox = await until("the inbox of " + login, () => {
            const server = accountOf(login).incomingServer;
            server.performExpand(null);
            return folderOf(login, "INBOX");
          });
          await refresh(inbox);
          seen[login] = accountOf(login).incomingServer.rootFolder.descendants.map(f => f.name);
        }
        return seen;
        """,
        logins,
        about["host"],
    )


def send(session, _directory, sender, recipient, subject, attachment, receipts):
    """Writes a message in a window of its own and sends it; receipts: yes or no."""
    return session.script(
        """
        const [sender, recipient, subject, attachment, receipts] = given;
        const identity = MailServices.accounts.getFirstIdentityForServer(accountOf(sender).incomingServer);
        const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
        fields.to = recipient;
        fields.subject = subject;
        fields.body = "Bonjour,\\n\\nVoici le document.\\n\\nAlice\\n";
        if (attachment) {
          const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
          file.initWithPath(attachment);
          const part = Cc["@mozilla.org/messengercompose/attachment;1"].createInstance(Ci.nsIMsgAttachment);
          part.url = Services.io.newFileURI(file).spec;
          part.name = file.leafName;
          part.size = file.fileSize;
          fields.addAttachment(part);
        }
        const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
        params.type = Ci.nsIMsgCompType.New;
        params.format = Ci.nsIMsgCompFormat.PlainText;
        params.identity = identity;
        params.composeFields = fields;
        MailServices.compose.OpenComposeWindowWithParams(null, params);
        const window = await until("the compose window", () => {
          const found = Services.wm.getMostRecentWindow("msgcompose");
          return found && found.gMsgCompose && found.composeEditorReady ? found : null;
        });
        if (receipts) {
          // The two entries of the menu "Options".
          [window.gReceiptOptionChanged, window.gDSNOptionChanged] = [true, true];
          window.gMsgCompose.compFields.returnReceipt = true;
          window.gMsgCompose.compFields.DSN = true;
        }
        await sleep(1000);
        window.goDoCommand("cmd_sendNow");
        await until("the message to leave", () => {
          const asked = Services.wm.getEnumerator("");
          for (const other of asked) {
            if (other.location.href.includes("commonDialog")) {
              throw new Error("Thunderbird says: " + other.document.documentElement.textContent);
            }
          }
          return window.closed;
        }, 90);
        return "sent";
        """,
        sender,
        recipient,
        subject,
        attachment,
        receipts == "yes",
    )


def folder(session, _directory, login, path):
    """What a folder shows after asking the server."""
    return session.script(
        """
        const [login, path] = given;
        const found = await until("folder " + path, () => folderOf(login, path));
        await refresh(found);
        await sleep(500);
        return listed(found);
        """,
        login,
        path,
    )


def show(session, _directory, login, path, subject, picture):
    """Shows a message to whoever looks, photographs it, and tells what it says of its signature."""
    told = session.script(
        """
        const [login, path, subject] = given;
        const found = await until("folder " + path, () => folderOf(login, path));
        await refresh(found);
        const header = await until("the message", () =>
          [...found.messages].reverse().find(h => h.mime2DecodedSubject.includes(subject)));
        const window = main();
        window.resizeTo(1280, 860);
        const tabs = window.document.getElementById("tabmail");
        const mail = tabs.tabInfo.find(t => t.mode.name == "mail3PaneTab");
        tabs.switchToTab(mail);
        const pane = await until("the mail tab", () => {
          const inner = mail.chromeBrowser && mail.chromeBrowser.contentWindow;
          return inner && inner.displayFolder && inner.gDBView !== undefined ? inner : null;
        });
        pane.displayFolder(found.URI);
        await until("the list", () => pane.gDBView && pane.gDBView.rowCount > 0 && pane.gFolder == found);
        await sleep(500);
        pane.threadTree.selectedIndex = pane.gDBView.findIndexOfMsgHdr(header, true);
        const about = await until("the message pane", () => {
          const shown = pane.messageBrowser && pane.messageBrowser.contentWindow;
          return shown && shown.gMessage && shown.gMessage.messageKey == header.messageKey ? shown : null;
        });
        await sleep(3000);
        const button = about.document.getElementById("encryptionTechBtn");
        const signed = about.document.getElementById("signedHdrIcon");
        const told = {
          subject: header.mime2DecodedSubject,
          security: button && !button.hidden && !button.closest("[hidden]") ? button.textContent.trim() : "",
          signed: signed && !signed.hidden ? signed.src || signed.getAttribute("src") : "",
        };
        if (told.signed) {
            about.showMessageReadSecurityInfo();
            await sleep(1500);
            const panel = about.document.getElementById("messageSecurityPanel");
            told.panel = panel ? panel.innerText.replace(/\\s+/g, " ").trim() : "";
        }
        return told;
        """,
        login,
        path,
        subject,
    )
    # The whole screen: panels are windows of their own.
    subprocess.run(["import", "-window", "root", picture], check=True, timeout=20)
    return told


STEPS = {
    "passwords": passwords,
    "send": send,
    "folder": folder,
    "show": show,
}

if __name__ == "__main__":
    name, place, *rest = sys.argv[1:]
    if name == "start":
        start(place, *rest)
    print(json.dumps(STEPS[name](Marionette(), place, *rest), ensure_ascii=False, indent=1))
