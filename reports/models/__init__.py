from reports.models.members import Membership, User

__all__ = ["Membership", "User"]
