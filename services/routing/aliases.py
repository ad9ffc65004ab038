"""Other words people use for what a team calls a skill.

Each line names one thing. Whatever a team calls it, of these words, is found by the others; a word
that is a skill of the team itself stands for that one alone. Words with another everyday meaning
("mail", "screen", "driver", "cloud", "mouse") are left out: better nothing than the wrong expert.
Those of one or two letters count as they are written here only, as skills do.
"""

from collections.abc import Mapping, Sequence

_GROUPS = """
wi-fi, wireless, wlan, wireless network, wireless lan
email, e-mail, mailbox, outlook
outlook, microsoft outlook
exchange, exchange server, exchange online, microsoft exchange
vpn, anyconnect, openvpn, wireguard, globalprotect, forticlient, virtual private network
printer, printing, print server, drucker
scanner, scanning
active directory, domain controller, group policy
entra id, azure ad, azure active directory
dns, name server, nameserver, domain name system
dhcp, ip address lease
firewall, fortigate
password, password reset, passwort
single sign-on, sso, single sign on
mfa, 2fa, multi-factor authentication, two-factor authentication, authenticator app
kubernetes, k8s
postgresql, postgres
sql server, mssql, ms sql
JavaScript, JS
TypeScript, TS
node.js, nodejs
ci/cd, github actions, gitlab ci, jenkins
aws, amazon web services, ec2
gcp, google cloud, google cloud platform
azure, microsoft azure
onedrive, one drive
sharepoint, share point
office 365, o365, microsoft 365, m365
microsoft teams, ms teams
laptop, notebook, macbook, thinkpad
macos, mac os, os x
windows, windows 10, windows 11
phone, telephone, voip, softphone, telefon
mobile, smartphone, iphone, android
antivirus, anti-virus, malware, virus scanner
phishing, phishing mail
backup, back-up
storage, disk space, network drive, file share, fileserver, file server
remote desktop, rdp, terminal server
vdi, citrix, virtual desktop
erp, sap
crm, salesforce
payroll, salary, payslip, wages
HR, human resources, personnel department
human resources, payroll
accounting, invoice, bookkeeping
purchasing, procurement, purchase order
onboarding, new starter, new hire, new joiner
"""

ALIASES: tuple[frozenset[str], ...] = tuple(
    frozenset(word.strip() for word in line.split(",")) for line in _GROUPS.split("\n") if line
)


def aliases_of(skills: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Alias to the skills it stands for, those in the spelling given."""
    keys = {skill.casefold(): skill for skill in skills}
    found: dict[str, dict[str, None]] = {}
    for group in ALIASES:
        meant = [keys[word.casefold()] for word in sorted(group) if word.casefold() in keys]
        for alias in sorted(group) if meant else ():
            if alias.casefold() not in keys:
                found.setdefault(alias, {}).update(dict.fromkeys(meant))
    return {alias: tuple(meant) for alias, meant in found.items()}
